/* A TFLite delegate that a test builds and loads as a library.
 *
 * Options enter as key=value; SOFTMAX nodes of the graph are claimed and computed here. It is
 * loaded through tflite_plugin_create_delegate, as every external delegate. The structures are
 * the C interface of TensorFlow Lite (tensorflow/lite/core/c/common.h), as far as they are used:
 * the wheels carry no headers.
 *
 *   claim=softmax|none   which nodes to take (softmax)
 *   offset=X             added to every output: an accelerator that computes something else
 *   fail=create|prepare  what a missing device looks like
 */

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, ERROR = 1, FLOAT32 = 1, SOFTMAX = 25 };

typedef struct { int size; int data[]; } IntArray;
typedef struct { float scale; int32_t zero_point; } QuantizationParams;
typedef struct { int type; void* params; } Quantization;

typedef struct {
    int type;
    union { void* raw; float* f; } data;
    IntArray* dims;
    QuantizationParams params;
    int allocation_type;
    size_t bytes;
    const void* allocation;
    const char* name;
    struct Delegate* delegate;
    int buffer_handle;
    bool data_is_stale;
    bool is_variable;
    Quantization quantization;
    void* sparsity;
    const IntArray* dims_signature;
} Tensor;

typedef struct {
    IntArray *inputs, *outputs, *intermediates, *temporaries;
    void* user_data;
    void* builtin_data;
    const void* custom_initial_data;
    int custom_initial_data_size;
    struct Delegate* delegate;
    bool might_have_side_effect;
} Node;

typedef struct Context Context;

typedef struct {
    void* (*init)(Context*, const char*, size_t);
    void (*free)(Context*, void*);
    int (*prepare)(Context*, Node*);
    int (*invoke)(Context*, Node*);
    const char* (*profiling_string)(const Context*, const Node*);
    int32_t builtin_code;
    const char* custom_name;
    int version;
    void* registration_external;
    void* async_kernel;
    uint64_t inplace_operator;
} Registration;

struct Context {
    size_t tensors_size;
    int (*get_execution_plan)(Context*, IntArray**);
    Tensor* tensors;
    void* impl;
    int (*resize_tensor)(Context*, Tensor*, IntArray*);
    void (*report_error)(Context*, const char*, ...);
    int (*add_tensors)(Context*, int, int*);
    int (*get_node_and_registration)(Context*, int, Node**, Registration**);
    int (*replace_node_subsets)(Context*, Registration, const IntArray*, struct Delegate*);
};

typedef struct Delegate {
    void* data;
    int (*prepare)(Context*, struct Delegate*);
    int (*copy_from_buffer_handle)(Context*, struct Delegate*, int, Tensor*);
    int (*copy_to_buffer_handle)(Context*, struct Delegate*, int, Tensor*);
    void (*free_buffer_handle)(Context*, struct Delegate*, int*);
    int64_t flags;
    void* opaque_builder;
} Delegate;

typedef struct {
    Delegate* delegate;
    IntArray *nodes_to_replace, *input_tensors, *output_tensors;
} DelegateParams;

typedef struct { bool claims; bool fails; float offset; } Settings;

static void* kernel_init(Context* context, const char* buffer, size_t length) {
    (void)context, (void)length;
    return ((const DelegateParams*)buffer)->delegate->data;
}

static int kernel_prepare(Context* context, Node* node) {
    (void)context, (void)node;
    return OK;
}

static int kernel_invoke(Context* context, Node* node) {
    const Settings* settings = node->user_data;
    const Tensor* in = &context->tensors[node->inputs->data[0]];
    const Tensor* out = &context->tensors[node->outputs->data[0]];
    size_t count = in->bytes / sizeof(float);
    float most = -INFINITY, sum = 0;
    for (size_t i = 0; i < count; i++) most = fmaxf(most, in->data.f[i]);
    for (size_t i = 0; i < count; i++) sum += out->data.f[i] = expf(in->data.f[i] - most);
    for (size_t i = 0; i < count; i++) out->data.f[i] = out->data.f[i] / sum + settings->offset;
    return OK;
}

static int prepare(Context* context, Delegate* delegate) {
    const Settings* settings = delegate->data;
    if (settings->fails) {
        fprintf(stderr, "test delegate: the driver is too old for this model\n");
        return ERROR;
    }
    IntArray* plan;
    if (context->get_execution_plan(context, &plan) != OK) return ERROR;
    IntArray* taken = malloc(sizeof(int) * (size_t)(plan->size + 1));
    taken->size = 0;
    for (int i = 0; i < plan->size; i++) {
        Node* node;
        Registration* registration;
        context->get_node_and_registration(context, plan->data[i], &node, &registration);
        bool floats = context->tensors[node->inputs->data[0]].type == FLOAT32;
        if (settings->claims && floats && registration->builtin_code == SOFTMAX)
            taken->data[taken->size++] = plan->data[i];
    }
    Registration kernel = {.init = kernel_init,
                           .prepare = kernel_prepare,
                           .invoke = kernel_invoke,
                           .custom_name = "TestDelegate",
                           .version = 1};
    int status = context->replace_node_subsets(context, kernel, taken, delegate);
    free(taken);
    return status;
}

Delegate* tflite_plugin_create_delegate(char** keys, char** values, size_t count,
                                        void (*report_error)(const char*)) {
    Settings settings = {.claims = true};
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(keys[i], "claim")) {
            settings.claims = !strcmp(values[i], "softmax");
        } else if (!strcmp(keys[i], "offset")) {
            settings.offset = strtof(values[i], NULL);
        } else if (!strcmp(keys[i], "fail") && !strcmp(values[i], "prepare")) {
            settings.fails = true;
        } else if (!strcmp(keys[i], "fail")) {
            fprintf(stderr, "test delegate: /dev/accelerator0: no such device\n");
            report_error("no accelerator found");
            return NULL;
        } else {
            report_error("unknown option: ");
            report_error(keys[i]);
            return NULL;
        }
    }
    Delegate* delegate = calloc(1, sizeof *delegate);
    delegate->data = malloc(sizeof settings);
    memcpy(delegate->data, &settings, sizeof settings);
    delegate->prepare = prepare;
    return delegate;
}

void tflite_plugin_destroy_delegate(Delegate* delegate) {
    if (!delegate) return;
    free(delegate->data);
    free(delegate);
}
