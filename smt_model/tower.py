"""The tower of one task."""

from itertools import pairwise

import tensorflow as tf

from smt_model.bf16 import rounded, rounded_forward
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
    native
        Whether BF16 uses BF16 kernels; otherwise values are rounded to BF16 and FP32 kernels
        are used. With BF16 instructions both sum in FP32 and round, so the values are the same but
        for the order of the sums.
    """

    def __init__(
        self, task: str, inputs: int, seed: int, *, bf16: bool, native: bool = True
    ) -> None:
        super().__init__(name=f"tower_{task}")
        self.kernels: list[tf.Variable] = []
        self.biases: list[tf.Variable] = []
        self._dtype = tf.bfloat16 if bf16 and native else tf.float32
        self._rounds = bf16 and not native
        for layer, shape in enumerate(pairwise((inputs, *HIDDEN, 1))):
            name = f"tower/{task}/{layer}"
            kernel = glorot_uniform(shape, f"{name}/kernel", seed)
            self.kernels.append(tf.Variable(kernel, name=f"{name}/kernel"))
            self.biases.append(tf.Variable(tf.zeros([shape[1]]), name=f"{name}/bias"))

    def __call__(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return logits float32 [B] of inputs float32 [B, width]."""
        return tf.squeeze(self.outputs(inputs)[-1], axis=1)

    def outputs(self, inputs: tf.Tensor) -> list[tf.Tensor]:
        """Return what each layer gives: the hidden ones [B, units], then float32 [B, 1]."""
        found = [self._in_dtype(inputs)]
        *hidden, last = zip(self.kernels, self.biases, strict=True)
        for kernel, bias in hidden:
            product = tf.matmul(found[-1], self._in_dtype(kernel))
            if self._rounds:  # once is enough for the gradient: the sum with the bias passes it on
                product = rounded_forward(product)
            shifted = self._in_dtype(tf.nn.bias_add(product, self._in_dtype(bias)))
            found.append(tf.nn.relu(shifted))
        kernel, bias = last
        return [*found[1:], tf.matmul(tf.cast(found[-1], tf.float32), kernel) + bias]

    def _in_dtype(self, x: tf.Tensor) -> tf.Tensor:
        return rounded(x) if self._rounds else tf.cast(x, self._dtype)
