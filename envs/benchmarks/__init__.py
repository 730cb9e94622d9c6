"""Small, cheap tasks on which distillation methods are compared; each folder in here is a task."""
