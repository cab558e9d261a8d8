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
	struct {
		uint32_t psp;
	} callee_saved;
	struct {
		size_t size;
	} stack_info;
};

uint32_t __get_PSP(void);

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
const char *k_thread_name_get(k_tid_t thread);
typedef void (*k_thread_user_cb_t)(const struct k_thread *thread, void *user_data);
void k_thread_foreach(k_thread_user_cb_t user_cb, void *user_data);
int k_thread_stack_space_get(const struct k_thread *thread, size_t *unused);
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

struct k_timer {
	int64_t period;
};

typedef void (*k_timer_expiry_t)(struct k_timer *timer);

#define K_TIMER_DEFINE(name, expiry, stop) \
	struct k_timer name; \
	static const k_timer_expiry_t name##_expiry __attribute__((used)) = (expiry); \
	static const k_timer_expiry_t name##_stop __attribute__((used)) = (stop)

void k_timer_start(struct k_timer *timer, k_timeout_t duration, k_timeout_t period);

struct k_spinlock {
	int owner;
};

typedef struct {
	int key;
} k_spinlock_key_t;

k_spinlock_key_t k_spin_lock(struct k_spinlock *lock);
void k_spin_unlock(struct k_spinlock *lock, k_spinlock_key_t key);

struct sys_heap {
	size_t size;
};

struct k_heap {
	struct sys_heap heap;
};

struct sys_memory_stats {
	size_t free_bytes;
	size_t allocated_bytes;
	size_t max_allocated_bytes;
};

int sys_heap_runtime_stats_get(struct sys_heap *heap, struct sys_memory_stats *stats);

int32_t k_sleep(k_timeout_t timeout);
int64_t k_uptime_get(void);
int32_t k_msleep(int32_t milliseconds);
FUNC_NORETURN void k_panic(void);

__attribute__((format(printf, 1, 2))) void printk(const char *format, ...);
__attribute__((format(printf, 3, 4))) int snprintk(char *text, size_t size, const char *format, ...);

#endif
