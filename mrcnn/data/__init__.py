"""The pixels: data sets, images, masks, augmentation and the input pipeline. Loads no Keras."""
