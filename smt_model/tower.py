"""The tower of one task."""

from itertools import pairwise

import tensorflow as tf

from smt_model.initial import glorot_uniform

HIDDEN = (256, 196, 128, 64)
"""Units of the hidden layers."""


class Tower(tf.Module):
    """Dense layers with ReLU, then one logit.

    Parameters
    ----------
    task
        Name of the task.
    inputs
        Width of the input.
    seed
        Decides the initial kernels.
    bf16
        Hidden layers in BF16. Variables and the last layer stay FP32.
    """

    def __init__(self, task: str, inputs: int, seed: int, *, bf16: bool) -> None:
        super().__init__(name=f"tower_{task}")
        self.kernels: list[tf.Variable] = []
        self.biases: list[tf.Variable] = []
        self._dtype = tf.bfloat16 if bf16 else tf.float32
        for layer, shape in enumerate(pairwise((inputs, *HIDDEN, 1))):
            name = f"tower/{task}/{layer}"
            kernel = glorot_uniform(shape, f"{name}/kernel", seed)
            self.kernels.append(tf.Variable(kernel, name=f"{name}/kernel"))
            self.biases.append(tf.Variable(tf.zeros([shape[1]]), name=f"{name}/bias"))

    def __call__(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return logits float32 [B] of inputs [B, width], in the dtype of the hidden layers."""
        return tf.squeeze(self.outputs(inputs)[-1], axis=1)

    def outputs(self, inputs: tf.Tensor) -> list[tf.Tensor]:
        """Return what each layer gives: the hidden ones [B, units], then float32 [B, 1]."""
        found = [inputs]
        *hidden, last = zip(self.kernels, self.biases, strict=True)
        for kernel, bias in hidden:
            product = tf.matmul(found[-1], tf.cast(kernel, self._dtype))
            found.append(tf.nn.relu(tf.nn.bias_add(product, tf.cast(bias, self._dtype))))
        kernel, bias = last
        return [*found[1:], tf.matmul(tf.cast(found[-1], tf.float32), kernel) + bias]
