"""tensorflow-model-optimization's sharp edges: wrapping, schemes, QAT, sparse forms."""
