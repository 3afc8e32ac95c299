import { Inject, Injectable } from '@nestjs/common'
import { AppError, isAppError } from '@app/core'
import {
  decodeCall,
  isForInterface,
  judgeMessage,
  parseCallArguments,
  parseEnvelope,
  SUBMIT_INTERFACE,
  type AcceptedMessage,
  type SubmitArguments
} from '@app/messaging'
import { LOG, rowFailure, type Logger } from '@app/platform'
import { createStepRunner } from '@app/queue'
import type { MessageRow } from '@app/storage'
import { MessageSenders } from '../message-senders.js'
import { CallAnswers, type AnsweredCall } from './call-answers.js'
import { CallSubmission } from './call-submission.js'
import { SubmitQueue, type TakenCalls } from './submit-queue.js'

/** How many calls are worked on at a time. */
const BATCH = 8
/** How long a call is taken for; one whose server dies is taken again after that. */
const LEASE_MILLISECONDS = 60_000
/** How often is looked for calls that came by another process, or whose lease has ended. */
const SWEEP_MILLISECONDS = 5000

/** The calls of Submit at work. */
export interface SubmitWork {
  /** Lets the calls in progress end and takes no others. */
  stop(): Promise<void>
}

/** Does the calls of Submit that wait, and those that come. */
@Injectable()
export class SubmitCalls {
  constructor(
    private readonly queue: SubmitQueue,
    private readonly senders: MessageSenders,
    private readonly submission: CallSubmission,
    private readonly answers: CallAnswers,
    @Inject(LOG) private readonly log: Logger
  ) {}

  /** Begins with what waits, and goes on with what comes. */
  begin(): SubmitWork {
    const runner = createStepRunner({ name: 'submit-calls', log: this.log, run: () => this.runBatch() })
    this.queue.onArrival(() => {
      runner.wake()
    })
    const sweep = setInterval(() => {
      runner.wake()
    }, SWEEP_MILLISECONDS)
    sweep.unref()
    runner.wake()
    return {
      stop: () => {
        clearInterval(sweep)
        return runner.stop()
      }
    }
  }

  /** Whether more may wait. */
  private async runBatch(): Promise<boolean> {
    const taken = await this.queue.take(BATCH, LEASE_MILLISECONDS)
    if (taken === undefined) return false
    await Promise.all(taken.rows.map(row => this.doOne(taken, row)))
    return taken.rows.length === BATCH
  }

  private async doOne({ queue, key, lease }: TakenCalls, row: MessageRow): Promise<void> {
    // 1. Open and verify it: the server judged what it could see when it came.
    const judged = await judgeMessage(parseEnvelope(row.envelope), queue, {
      findKey: () => Promise.resolve(key),
      isRegistered: (sid, certificate) => this.senders.isRegistered(sid, certificate),
      mayWrite: sid => this.senders.mayWrite(queue.id, sid),
      isDuplicate: () => Promise.resolve(false)
    })
    if (judged.verdict === 'duplicate') return
    if (judged.verdict === 'refused') return this.answers.end({ queue, row, lease, refusal: judged.class })
    // 2. Submit it. When that has to be tried again, it stays where it is until its lease ends.
    const outcome = await this.submit(row, judged.message)
    // failpoint: submit-call.recorded
    // 3. Answer, and end the call. When this fails, 2 finds the request that is recorded then.
    if (outcome !== undefined) await this.answers.end({ queue, row, lease, ...outcome })
  }

  private async submit(
    row: MessageRow,
    { sender, fields: { messageId }, body }: AcceptedMessage
  ): Promise<Pick<AnsweredCall, 'answer' | 'refusal'> | undefined> {
    const sid = sender?.sid ?? ''
    try {
      return { answer: { sid, body: await this.submission.submit({ sid, messageId, args: argumentsOf(body) }) } }
    } catch (error) {
      if (isAppError(error, 'rate_limited')) return undefined
      const told = this.submission.refuse(rowFailure(error, row, this.log))
      return { refusal: 'NACK_RECEIVE_REJECTED', answer: { sid, body: told } }
    }
  }
}

function argumentsOf(body: Uint8Array): SubmitArguments {
  const call = decodeCall(body)
  if (!isForInterface(call, SUBMIT_INTERFACE)) {
    throw new AppError('RPC_S_UNKNOWN_IF', 'The call is for another interface than that of requests.')
  }
  return parseCallArguments(SUBMIT_INTERFACE, call) as SubmitArguments
}
