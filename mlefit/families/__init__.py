"""Distribution families: pure likelihood maths, one file a family."""
