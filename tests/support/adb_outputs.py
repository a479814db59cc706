"""What the two tools named benchmark_model print, in the forms of several years.

The forms are those of the tools' sources and of runs that people reported; the figures are ours.
"""

CLASSIC_2019 = """STARTING!
Min num runs: [50]
Graph: [/data/local/tmp/m.tflite]
Loaded model /data/local/tmp/m.tflite
resolved reporter
INFO: Initialized TensorFlow Lite runtime.
Initialized session in 10.354ms
Running benchmark for at least 1 iterations and at least 0.5 seconds
count=14 first=37001 curr=35000 min=34000 max=37001 avg=35901.5 std=700

Running benchmark for at least 50 iterations and at least 1 seconds
count=50 first=35001 curr=34900 min=34001 max=36900 avg=34972.8 std=503

Average inference timings in us: Warmup: 35901.5, Init: 10354, Inference: 34972.8
Peak memory footprint (MB): init=1.5 overall=3.75
"""

CLASSIC_2021 = """STARTING!
Log parameter values verbosely: [0]
Min num runs: [1]
Loaded model /data/local/tmp/m.tflite
The input model file size (MB): 16.9
Initialized session in 17.187ms.
Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150
count=1 curr=3512391

Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150
count=50 first=2990275 curr=2913402 min=2727568 max=3189954 avg=2.95034e+06 std=109798

Inference timings in us: Init: 17187, First inference: 3512391, Warmup (avg): 3.51239e+06, \
Inference (avg): 2.95034e+06
Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE
Memory footprint delta from the start of the tool (MB): init=4.25 overall=46.5
"""

CLASSIC_2024 = """INFO: STARTING!
INFO: Loaded model /data/local/tmp/m.tflite
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
VERBOSE: Replacing 64 out of 67 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 3 \
partitions for subgraph 0.
INFO: Initialized session in 65.141ms.
INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds
INFO: count=40 first=24582 curr=12400 min=12100 max=24582 avg=12811.2 std=1900 p5=12200 \
median=12420 p95=13000

INFO: Running benchmark for at least 50 iterations and at least 1 seconds
INFO: count=81 first=12401 curr=12350 min=12101 max=13050 avg=12390.4 std=120 p5=12150 \
median=12380 p95=12600

INFO: Inference timings in us: Init: 65141, First inference: 24582, Warmup (avg): 12811.2, \
Inference (avg): 12390.4
INFO: Memory footprint delta from the start of the tool (MB): init=8.5 overall=21.25
INFO: Overall peak memory footprint (MB) via periodic monitoring: 33.5
"""

GPU_WHOLE = """INFO: Created TensorFlow Lite delegate for GPU.
INFO: Initialized OpenCL-based API.
INFO: Created 1 GPU delegate kernels.
VERBOSE: Replacing 67 out of 67 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 \
partitions for subgraph 0.
INFO: Explicitly applied GPU delegate, and the model graph will be completely executed by the \
delegate.
"""

GPU_PART = """INFO: Created TensorFlow Lite delegate for GPU.
ERROR: Following operations are not supported by GPU delegate:
SOFTMAX: unsupported rank
QUANTIZE: Not supported
64 operations will run on the GPU, and the remaining 3 operations will run on the CPU.
VERBOSE: Replacing 64 out of 67 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 3 \
partitions for subgraph 0.
VERBOSE: Replacing 3 out of 4 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 2 \
partitions for subgraph 0.
INFO: Explicitly applied GPU delegate, and the model graph will be partially executed by the \
delegate w/ 1 delegate kernels.
"""

NNAPI_NOT = """INFO: NNAPI accelerators available: [nnapi-reference]
INFO: Created TensorFlow Lite delegate for NNAPI.
WARN: NNAPI SL driver did not answer.
INFO: Though NNAPI delegate is explicitly applied, the model graph will not be executed by the \
delegate.
VERBOSE: Replacing 67 out of 67 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 1 \
partitions for subgraph 0.
"""

LITERT_2026 = """INFO: STARTING!
INFO: Loading model from: /data/local/tmp/m.tflite
INFO: count=5 first=1410 curr=960 min=940 max=1410 avg=1040 std=180
INFO: count=1054 first=951 curr=950 min=930 max=1210 avg=947.5 std=21
INFO: [benchmark_litert_model.h:90]
========== BENCHMARK RESULTS ==========
INFO: [benchmark_litert_model.h:94] Model initialization: 237.44 ms
INFO: [benchmark_litert_model.h:96] Warmup (first):       1.41 ms
INFO: [benchmark_litert_model.h:98] Warmup (avg):         1.04 ms (5 runs)
INFO: [benchmark_litert_model.h:100] Inference (avg):      0.95 ms (1054 runs)
INFO: [benchmark_litert_model.h:104] Inference (min):      0.93 ms
INFO: [benchmark_litert_model.h:106] Inference (max):      1.21 ms
INFO: [benchmark_litert_model.h:108] Inference (std):      0.02
INFO: [benchmark_litert_model.h:115] Throughput:           151.20 MB/s
INFO: [benchmark_litert_model.h:124]
Memory Usage:
INFO: [benchmark_litert_model.h:126] Init footprint:       91.50 MB
INFO: [benchmark_litert_model.h:128] Overall footprint:    93.25 MB
INFO: [benchmark_litert_model.h:135] Peak memory usage not available. (peak_mem_mb <= 0)
INFO: [benchmark_litert_model.h:140] ======================================
"""

LITERT_PYTHON = """
========================================
 BENCHMARK RESULTS
========================================
Model initialization:  12.30 ms
Warmup (first):        4.56 ms
Warmup (avg):          3.60 ms (5 runs)
Inference (avg):       3.51 ms (50 runs)
Inference (min):       3.40 ms
Inference (max):       4.20 ms
Inference (median):    3.50 ms
Inference (std):       0.12 ms
Inference (p5):        3.41 ms
Inference (p95):       3.80 ms
Fully accelerated:     False
========================================
"""
