"""Training on a teacher's answers (Hinton, Vinyals and Dean 2015).

Targets that hold labels and the teacher's probabilities side by side enter; the loss and the
accuracy that Keras is compiled with leave.
"""

from __future__ import annotations

from typing import Any

from ..training.fitting import Objective

# Below this a probability is noise of float32.
_LEAST = 1e-7


def distilled(classes: int, temperature: float, weight: float) -> Objective:
    """The objective for targets [n, 2 * classes]: labels, then the teacher's probabilities.

    The loss is (1 - weight) of the cross-entropy with the labels plus weight * temperature^2 of
    that with the teacher's answers, both answers softened by the temperature. Models give
    probabilities; their logarithms are the logits up to a constant, which softmax ignores.
    """
    import tensorflow as tf
    import tf_keras

    def soften(probabilities: Any) -> Any:
        return tf.nn.log_softmax(tf.math.log(tf.maximum(probabilities, _LEAST)) / temperature)

    def loss(targets: Any, answers: Any) -> Any:
        labels, taught = targets[:, :classes], targets[:, classes:]
        own = tf_keras.losses.categorical_crossentropy(labels, answers)
        soft = tf.reduce_sum(tf.exp(soften(taught)) * (soften(taught) - soften(answers)), axis=1)
        return (1 - weight) * own + weight * temperature**2 * soft

    def right(targets: Any, answers: Any) -> Any:
        return tf_keras.metrics.categorical_accuracy(targets[:, :classes], answers)

    return Objective(loss=loss, accuracy=tf_keras.metrics.MeanMetricWrapper(right, name="accuracy"))
