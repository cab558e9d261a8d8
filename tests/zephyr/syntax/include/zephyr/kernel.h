/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYNTAX_ZEPHYR_KERNEL_H
#define SYNTAX_ZEPHYR_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <zephyr/sys/atomic.h>
#include <zephyr/sys/util.h>
#include <zephyr/toolchain.h>

typedef struct {
	int64_t ticks;
} k_timeout_t;

#define USEC_PER_MSEC 1000
#define MSEC_PER_SEC 1000

#define K_FOREVER ((k_timeout_t){-1})
#define K_NO_WAIT ((k_timeout_t){0})
#define K_MSEC(milliseconds) ((k_timeout_t){milliseconds})
#define K_SECONDS(seconds) K_MSEC((seconds) * 1000)
#define K_PRIO_PREEMPT(priority) (priority)

typedef struct {
	void *waiting;
} _wait_q_t;

struct k_thread {
	struct {
		_wait_q_t *pended_on;
	} base;
};

typedef struct k_thread *k_tid_t;
typedef char k_thread_stack_t;
typedef void (*k_thread_entry_t)(void *first, void *second, void *third);

#define K_THREAD_STACK_DEFINE(name, size) k_thread_stack_t name[size]
#define K_THREAD_STACK_SIZEOF(name) sizeof(name)

k_tid_t k_thread_create(struct k_thread *thread, k_thread_stack_t *stack, size_t size, k_thread_entry_t entry,
			void *first, void *second, void *third, int priority, uint32_t options, k_timeout_t delay);
#define K_THREAD_DEFINE(name, size, entry, first, second, third, priority, options, delay_ms) \
	static const k_thread_entry_t name##_entry __attribute__((used)) = (entry); \
	static k_thread_stack_t name##_stack[size] __attribute__((used)); \
	_Static_assert((priority) + (options) + (delay_ms) >= 0, #name)
int k_thread_name_set(k_tid_t thread, const char *name);
k_tid_t k_current_get(void);
void k_sched_lock(void);
void k_sched_unlock(void);
bool k_is_in_isr(void);

struct k_sem {
	unsigned int count;
	unsigned int limit;
};

#define K_SEM_DEFINE(name, count, limit) struct k_sem name = {count, limit}

int k_sem_take(struct k_sem *sem, k_timeout_t timeout);
void k_sem_give(struct k_sem *sem);
void k_sem_reset(struct k_sem *sem);

#define STRUCT_SECTION_FOREACH(type, iterator) \
	for (struct type *iterator = syntax_section(); iterator != NULL; iterator++)

void *syntax_section(void);

struct k_mutex {
	k_tid_t owner;
};

#define K_MUTEX_DEFINE(name) struct k_mutex name

int k_mutex_lock(struct k_mutex *mutex, k_timeout_t timeout);
int k_mutex_unlock(struct k_mutex *mutex);

struct k_work;
typedef void (*k_work_handler_t)(struct k_work *work);

struct k_work {
	k_work_handler_t handler;
};

struct k_work_delayable {
	struct k_work work;
};

#define K_WORK_DEFINE(name, handler) struct k_work name = {handler}

struct k_work_q {
	struct k_thread thread;
};

extern struct k_work_q k_sys_work_q;

int k_work_submit(struct k_work *work);
void k_work_init(struct k_work *work, k_work_handler_t handler);
struct k_work_queue_config;
void k_work_queue_start(struct k_work_q *queue, k_thread_stack_t *stack, size_t size, int priority,
			const struct k_work_queue_config *config);
k_tid_t k_work_queue_thread_get(struct k_work_q *queue);
int k_work_submit_to_queue(struct k_work_q *queue, struct k_work *work);

#define K_WORK_DELAYABLE_DEFINE(name, handler) struct k_work_delayable name = {{handler}}

int k_work_schedule(struct k_work_delayable *work, k_timeout_t delay);
int k_work_reschedule(struct k_work_delayable *work, k_timeout_t delay);
int k_work_cancel_delayable(struct k_work_delayable *work);

int64_t k_uptime_get(void);
int32_t k_msleep(int32_t milliseconds);
FUNC_NORETURN void k_panic(void);

__attribute__((format(printf, 1, 2))) void printk(const char *format, ...);
__attribute__((format(printf, 3, 4))) int snprintk(char *text, size_t size, const char *format, ...);

#endif
