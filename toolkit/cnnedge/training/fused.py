"""Optimizers that update each variable by one operator.

tf_keras writes the update of every variable out in some thirty operators, and up to half of the
time until the first step of a backbone is done goes into them. TensorFlow has one operator for all
of it, by which tf_keras' own older optimizers train too.

Sources: Adam, Kingma and Ba 2015, https://arxiv.org/abs/1412.6980, section 2; AdamW, Loshchilov
and Hutter 2019, https://arxiv.org/abs/1711.05101; momentum as in tf_keras' SGD.
"""

from __future__ import annotations

import functools
from typing import Any


def adam(learning_rate: float) -> Any:
    """`tf_keras.optimizers.Adam`, with the same variables and checkpoints."""
    import tf_keras

    return _adam(tf_keras.optimizers.Adam)(learning_rate)


def adamw(learning_rate: float, weight_decay: float) -> Any:
    """`tf_keras.optimizers.AdamW`, with the same variables and checkpoints."""
    import tf_keras

    return _adam(tf_keras.optimizers.AdamW)(learning_rate, weight_decay=weight_decay)


def sgd(learning_rate: float, momentum: float, nesterov: bool) -> Any:
    """`tf_keras.optimizers.SGD`, with the same variables and checkpoints."""
    import tf_keras

    return _sgd(tf_keras.optimizers.SGD)(learning_rate, momentum=momentum, nesterov=nesterov)


@functools.cache
def _adam(kind: Any) -> Any:
    import tensorflow as tf

    class Fused(_stepwise(kind)):  # type: ignore[misc]
        def apply(self, gradient: Any, variable: Any, place: int, shared: tuple[Any, ...]) -> None:
            rate, first, second = shared
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=self._momentums[place].handle,
                v=self._velocities[place].handle,
                beta1_power=first,
                beta2_power=second,
                lr=rate,
                beta1=self.beta_1,
                beta2=self.beta_2,
                epsilon=self.epsilon,
                grad=gradient,
                use_locking=True,
            )

        def shared(self, dtype: Any) -> tuple[Any, ...]:
            """The rate, and both betas to the power of the steps with this one."""
            step = tf.cast(self.iterations + 1, dtype)
            powers = [tf.pow(tf.cast(beta, dtype), step) for beta in (self.beta_1, self.beta_2)]
            return (*super().shared(dtype), *powers)

    return Fused


@functools.cache
def _sgd(kind: Any) -> Any:
    import tensorflow as tf

    class Fused(_stepwise(kind)):  # type: ignore[misc]
        def apply(self, gradient: Any, variable: Any, place: int, shared: tuple[Any, ...]) -> None:
            tf.raw_ops.ResourceApplyKerasMomentum(
                var=variable.handle,
                accum=self.momentums[place].handle,
                lr=shared[0],
                grad=gradient,
                momentum=self.momentum,
                use_nesterov=self.nesterov,
                use_locking=True,
            )

    return Fused


def _stepwise(kind: Any) -> Any:
    """That optimizer, which updates a variable by `apply`, and computes once for a step what all
    variables of it share. Sparse gradients are left to tf_keras."""
    import tensorflow as tf

    class Stepwise(kind):  # type: ignore[misc]
        # What is shared, by dtype.
        _told: dict[Any, tuple[Any, ...]]

        def update_step(self, gradient: Any, variable: Any) -> None:
            if isinstance(gradient, tf.IndexedSlices):
                super().update_step(gradient, variable)
                return
            dtype = variable.dtype
            if dtype not in self._told:
                self._told[dtype] = self.shared(dtype)
            place = self._index_dict[self._var_key(variable)]
            self.apply(gradient, variable, place, self._told[dtype])

        def shared(self, dtype: Any) -> tuple[Any, ...]:
            """The rate, first."""
            return (tf.cast(self.learning_rate, dtype),)

        def apply_gradients(self, *arguments: Any, **keywords: Any) -> Any:
            # Keras would count what is assigned otherwise among what a checkpoint holds.
            object.__setattr__(self, "_told", {})
            try:
                return super().apply_gradients(*arguments, **keywords)
            finally:
                self._told.clear()

    return Stepwise
