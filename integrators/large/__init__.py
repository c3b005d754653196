"""Systems of many states through time: loops over arrays, and products with matrices, in place of lanes."""
