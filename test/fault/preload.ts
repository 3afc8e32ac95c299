/**
 * Loaded into a process of the fault build before everything else (`node --import`): gives `failpoint` its meaning and the
 * process a clock of its own. The nemesis tells it over the channel of the child process what is to happen.
 */

/** What the nemesis says to a process. */
export type Order =
  | {
      /** What happens at the point's `hit`-th passing from now on, once. */
      readonly kind: 'arm'
      readonly point: string
      readonly hit: number
      /** Die as by SIGKILL, or stand still for so long, as a process does whose machine is stopped. */
      readonly fate: 'kill' | { readonly stallMilliseconds: number }
    }
  | { readonly kind: 'disarm' }
  /** Sets the wall clock this far ahead of the machine's; back when negative. */
  | { readonly kind: 'clock'; readonly milliseconds: number }
  | { readonly kind: 'count' }

/** What a process says to the nemesis. */
export type Word =
  /** How often each point was passed. */
  | { readonly kind: 'counts'; readonly counts: Readonly<Record<string, number>> }
  /** Said before the fate comes true, so that the report can tell. */
  | { readonly kind: 'struck'; readonly point: string; readonly fate: 'kill' | 'stall' }

type Armed = Extract<Order, { readonly kind: 'arm' }> & { left: number }

const counts: Record<string, number> = {}
let armed: Armed | undefined
let offset = 0

function say(word: Word): void {
  process.send?.(word)
}

function failpoint(name: string): void {
  counts[name] = (counts[name] ?? 0) + 1
  if (armed?.point !== name || --armed.left > 0) return
  const { fate } = armed
  armed = undefined
  if (fate === 'kill') {
    say({ kind: 'struck', point: name, fate: 'kill' })
    process.kill(process.pid, 'SIGKILL')
    // The signal ends the process before the next statement; wait for it all the same.
    stand(1000)
    return
  }
  say({ kind: 'struck', point: name, fate: 'stall' })
  stand(fate.stallMilliseconds)
}

/** Nothing of the process goes on meanwhile, its timers and connections included. */
function stand(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}

const MachineDate = globalThis.Date

/** The wall clock is `Date`; what is measured with `performance.now` goes on as a monotonic clock does. */
class MovedDate extends MachineDate {
  constructor(...parts: readonly unknown[]) {
    if (parts.length === 0) super(MachineDate.now() + offset)
    else super(...(parts as [number]))
  }

  static override now(): number {
    return MachineDate.now() + offset
  }
}

/** Called without `new`, it gives the text of the moment, as the original does. */
const CallableDate = new Proxy(MovedDate, { apply: () => new MovedDate().toString() })

function obey(order: Order): void {
  switch (order.kind) {
    case 'arm':
      armed = { ...order, left: order.hit }
      return
    case 'disarm':
      armed = undefined
      return
    case 'clock':
      offset = order.milliseconds
      return
    case 'count':
      say({ kind: 'counts', counts })
  }
}

Object.assign(globalThis, { failpoint, Date: CallableDate })
process.on('message', message => {
  obey(message as Order)
})
// The channel alone does not keep the process alive.
process.channel?.unref()
