"""Pictures of images, instances, comparisons, network insides and training curves: the door of the modules beside
it."""

from mrcnn.visualize.colors import apply_mask, class_color, random_colors
from mrcnn.visualize.compare import display_differences, plot_overlaps
from mrcnn.visualize.curves import plot_history, plot_precision_recall
from mrcnn.visualize.inspect import (
    display_table,
    display_top_masks,
    display_weight_stats,
    draw_boxes,
    draw_rois,
    weight_stats,
)
from mrcnn.visualize.instances import display_images, display_instances, draw_box
from mrcnn.visualize.render import draw_instances
from mrcnn.visualize.verdicts import draw_results, draw_verdicts

__all__ = [
    "apply_mask",
    "class_color",
    "display_differences",
    "display_images",
    "display_instances",
    "display_table",
    "display_top_masks",
    "display_weight_stats",
    "draw_box",
    "draw_boxes",
    "draw_instances",
    "draw_results",
    "draw_rois",
    "draw_verdicts",
    "plot_history",
    "plot_overlaps",
    "plot_precision_recall",
    "random_colors",
    "weight_stats",
]
