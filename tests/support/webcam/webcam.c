/* A Video4Linux camera for machines without one, to be preloaded: the calls that OpenCV and Python
 * make on one device path are answered here, all others go on to the C library.
 *
 * WEBCAM_DEVICE: the path. WEBCAM_STATE: a file that says `here`, `busy`, `gone` or `stalled`, read
 * at every call, so that a test can pull the plug. WEBCAM_JPEG: a 1280 x 720 JPEG, its MJPEG frames.
 *
 * Like a USB 2 webcam: YUYV 320x240 and 640x480 at 30 frames a second, 1280x720 at 10; MJPEG
 * 1280x720 at 30. Each YUYV frame is even in brightness, 16 + its number modulo 200.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define BUFFERS 10
#define LENGTH (1280 * 720 * 2)

static int device = -1;
static unsigned width, height, rate, format, count, number;
static unsigned char *memory[BUFFERS];
static unsigned queue[BUFFERS], queued;

static char state(void)
{
    char word[16] = "here";
    int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    int file = real_open(getenv("WEBCAM_STATE"), O_RDONLY);
    if (file >= 0) {
        if (read(file, word, sizeof word - 1) < 0) word[0] = 'h';
        close(file);
    }
    return word[0];
}

static int fails(int error)
{
    errno = error;
    return -1;
}

static void arm(void)
{
    struct itimerspec every = {{0, 1000000000L / rate}, {0, 1000000000L / rate}};
    if (state() == 's') memset(&every, 0, sizeof every);
    timerfd_settime(device, 0, &every, NULL);
}

static unsigned fastest(void)
{
    return width == 1280 && format == V4L2_PIX_FMT_YUYV ? 10 : 30;
}

static int plugged_open(void)
{
    if (state() == 'g') return fails(ENODEV);
    /* Python's own look at the device must not disturb one that is streaming. */
    if (device >= 0) return timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    width = 640, height = 480, rate = 30, format = V4L2_PIX_FMT_YUYV, count = queued = 0;
    return device = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
}

static int is_device(const char *path)
{
    const char *own = getenv("WEBCAM_DEVICE");
    return own && path && !strcmp(own, path);
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, int);
    va_end(rest);
    if (is_device(path)) return plugged_open();
    int (*next)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    return next(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, int);
    va_end(rest);
    if (is_device(path)) return plugged_open();
    int (*next)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
    return next(path, flags, mode);
}

int close(int handle)
{
    int (*next)(int) = dlsym(RTLD_NEXT, "close");
    if (handle >= 0 && handle == device) device = -1;
    return next(handle);
}

void *mmap64(void *at, size_t length, int protection, int flags, int handle, off64_t offset)
{
    void *(*next)(void *, size_t, int, int, int, off64_t) = dlsym(RTLD_NEXT, "mmap64");
    if (handle < 0 || handle != device) return next(at, length, protection, flags, handle, offset);
    return memory[offset / LENGTH] = next(NULL, length, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

void *mmap(void *at, size_t length, int protection, int flags, int handle, off_t offset)
{
    return mmap64(at, length, protection, flags, handle, offset);
}

static int set_format(struct v4l2_format *f)
{
    if (state() == 'b') return fails(EBUSY);
    unsigned w = f->fmt.pix.width, asked = f->fmt.pix.pixelformat;
    format = asked == V4L2_PIX_FMT_MJPEG ? asked : V4L2_PIX_FMT_YUYV;
    width = format == V4L2_PIX_FMT_MJPEG || w > 960 ? 1280 : w > 480 ? 640 : 320;
    height = width == 1280 ? 720 : width * 3 / 4;
    rate = rate < fastest() ? rate : fastest();
    return 0;
}

static void state_format(struct v4l2_format *f)
{
    struct v4l2_pix_format *p = &f->fmt.pix;
    p->width = width, p->height = height, p->pixelformat = format;
    p->field = V4L2_FIELD_NONE, p->bytesperline = format == V4L2_PIX_FMT_YUYV ? width * 2 : 0;
    p->sizeimage = width * height * 2;
}

static unsigned fill(unsigned char *pixels)
{
    unsigned length = width * height * 2;
    if (format == V4L2_PIX_FMT_MJPEG) {
        FILE *file = fopen(getenv("WEBCAM_JPEG"), "rb");
        length = file ? fread(pixels, 1, LENGTH, file) : 0;
        if (file) fclose(file);
        return length;
    }
    for (unsigned i = 0; i < length; i += 2) {
        pixels[i] = 16 + number % 200;
        pixels[i + 1] = 128;
    }
    return length;
}

static int dequeue(struct v4l2_buffer *b)
{
    unsigned long long ticks;
    if (read(device, &ticks, sizeof ticks) != sizeof ticks) return fails(EAGAIN);
    number += ticks;
    if (!queued) return fails(EAGAIN);
    b->index = queue[0];
    memmove(queue, queue + 1, --queued * sizeof *queue);
    b->bytesused = fill(memory[b->index]);
    b->length = LENGTH, b->sequence = number, b->flags = V4L2_BUF_FLAG_DONE;
    return 0;
}

static int answer(unsigned long request, void *data)
{
    struct v4l2_capability *c = data;
    struct v4l2_streamparm *p = data;
    struct v4l2_requestbuffers *r = data;
    struct v4l2_buffer *b = data;
    switch (request) {
    case VIDIOC_QUERYCAP:
        memset(c, 0, sizeof *c);
        strcpy((char *)c->card, "Test webcam");
        c->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        c->capabilities = c->device_caps | V4L2_CAP_DEVICE_CAPS;
        return 0;
    case VIDIOC_S_FMT:
        if (set_format(data)) return -1;
        /* fall through */
    case VIDIOC_G_FMT:
        state_format(data);
        return 0;
    case VIDIOC_S_PARM:
        rate = p->parm.capture.timeperframe.denominator;
        rate = rate && rate < fastest() ? rate : fastest();
        /* fall through */
    case VIDIOC_G_PARM:
        p->parm.capture.timeperframe = (struct v4l2_fract){1, rate};
        p->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
        return 0;
    case VIDIOC_REQBUFS:
        count = r->count = r->count > BUFFERS ? BUFFERS : r->count;
        queued = 0;
        return 0;
    case VIDIOC_QUERYBUF:
        b->length = LENGTH, b->m.offset = b->index * LENGTH;
        return 0;
    case VIDIOC_QBUF:
        queue[queued++ % BUFFERS] = b->index;
        return 0;
    case VIDIOC_DQBUF:
        return dequeue(b);
    case VIDIOC_STREAMON:
        arm();
        return 0;
    case VIDIOC_STREAMOFF:
        queued = 0;
        return 0;
    }
    return fails(EINVAL);
}

int ioctl(int handle, unsigned long request, ...)
{
    va_list rest;
    va_start(rest, request);
    void *data = va_arg(rest, void *);
    va_end(rest);
    int (*next)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
    int asked_only = handle >= 0 && handle != device && device >= 0 && request == VIDIOC_QUERYCAP;
    if (!asked_only && (handle < 0 || handle != device)) return next(handle, request, data);
    if (state() == 'g') return fails(ENODEV);
    if (state() == 's') timerfd_settime(device, 0, &(struct itimerspec){0}, NULL);
    return answer(request, data);
}
