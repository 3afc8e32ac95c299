import { AppError } from '@app/core'
import { AUTHN_LEVEL, RPC_C_AUTHN_MQ } from '@app/messaging'
import type { ReceivedMessage } from '../message-queue-types.js'

/** Who makes a call, as it was verified and not as it was claimed (RpcBindingInqAuthClient). */
export interface AuthClient {
  /** RPC_C_AUTHN_LEVEL_PKT_INTEGRITY or _PKT_PRIVACY. */
  readonly authnLevel: number
  /** RPC_C_AUTHN_MQ */
  readonly authnSvc: number
  /** Of the account that the certificate is registered for. */
  readonly principalSid: string
  /** `DOMAIN\account`; undefined when the account is gone. */
  readonly principalName: string | undefined
  /** DER */
  readonly certificate: Uint8Array
}

/** A call while its handler runs. */
export class IncomingCall {
  private isOver = false

  /** Made by a call server alone. */
  constructor(
    private readonly message: ReceivedMessage,
    readonly endpoint: string
  ) {}

  /** The same when the call is delivered again: whoever must not do it twice looks whether it is done. */
  get callId(): string {
    return this.message.fields.messageId
  }

  /** How often it was delivered, this time among them. */
  get deliveries(): number {
    return this.message.deliveries
  }

  /** Where its sender would have an answer; undefined when it wants none. */
  get responseQueue(): string | undefined {
    return this.message.fields.responseQueue
  }

  /**
   * Who makes the call. Throws `RPC_S_BINDING_HAS_NO_AUTH` for a call without protection, `RPC_S_INVALID_BINDING` when the
   * call is over.
   */
  inqAuthClient(): AuthClient {
    if (this.isOver) throw new AppError('RPC_S_INVALID_BINDING', 'The call is over.')
    const { sender, level, senderName } = this.message
    if (sender === undefined) {
      throw new AppError('RPC_S_BINDING_HAS_NO_AUTH', 'Nothing authenticates who makes the call.')
    }
    const { sid, certificate } = sender
    const authnLevel = AUTHN_LEVEL[level]
    return { authnLevel, authnSvc: RPC_C_AUTHN_MQ, principalSid: sid, principalName: senderName, certificate }
  }

  /** The handler has returned; nothing is told of the call any more. */
  end(): void {
    this.isOver = true
  }
}
