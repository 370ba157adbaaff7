import keras
import pytest
import tensorflow as tf
from keras import layers

from benchmarks import flops


def spec(*shape: int) -> tf.TensorSpec:
    return tf.TensorSpec(shape, tf.float32)


def test_a_convolution_counts_two_for_each_weight_and_output():
    conv = layers.Conv2D(16, 3, strides=2, padding="same")
    assert flops.count(conv, spec(2, 10, 12, 4)) == {"Conv2D": 2 * (2 * 5 * 6 * 16) * (3 * 3 * 4)}


def test_a_dense_layer_counts_two_for_each_weight_and_row():
    assert flops.count(layers.Dense(7), spec(3, 11, 5)) == {"MatMul": 2 * 3 * 11 * 5 * 7}


def test_a_transposed_convolution_counts_two_for_each_weight_and_input():
    conv = layers.Conv2DTranspose(6, 2, strides=2)
    assert flops.count(conv, spec(1, 7, 7, 3)) == {"Conv2DBackpropInput": 2 * (7 * 7) * (2 * 2 * 3 * 6)}


def test_the_gradient_of_a_convolution_counts_twice_the_forward_pass():
    conv = layers.Conv2D(8, 3, padding="same")
    conv.build((1, 6, 6, 4))

    def gradients(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = conv(x)
        return tape.gradient(y, [x, conv.kernel.value])

    forward = 2 * (6 * 6 * 8) * (3 * 3 * 4)
    # The forward pass itself does not count where only its inputs are needed: TensorFlow leaves it in the graph all the same.
    assert flops.count(gradients, spec(1, 6, 6, 4)) == {"Conv2D": forward, "Conv2DBackpropInput": forward, "Conv2DBackpropFilter": forward}


def test_a_nested_model_counts_at_each_of_its_calls():
    inner_input = layers.Input((None, None, 4))
    inner = keras.Model(inner_input, layers.Conv2D(2, 1)(inner_input))
    image = layers.Input((8, 8, 4))
    model = keras.Model(image, [inner(image), inner(layers.MaxPooling2D()(image))])
    assert flops.count(model, spec(1, 8, 8, 4)) == {"Conv2D": 2 * (64 + 16) * 2 * 4}


def test_unknown_shapes_are_refused():
    with pytest.raises(ValueError, match="give inputs of full shapes"):
        flops.count(layers.Conv2D(2, 1), tf.TensorSpec((None, 8, 8, 4), tf.float32))


def test_a_first_dimension_that_is_not_known_can_be_given():
    x = tf.TensorSpec((None, 8, 8, 4), tf.float32)
    assert flops.count(layers.Conv2D(2, 1), x, leading=3) == {"Conv2D": 2 * (3 * 64 * 2) * 4}


def test_products_that_are_not_known_are_refused():
    with pytest.raises(ValueError, match="Einsum, which is not counted yet"):
        flops.count(lambda x: tf.einsum("ij,kj->ik", x, x), spec(2, 3))
