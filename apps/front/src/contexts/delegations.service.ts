import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Clock } from '@app/core'
import { accountNameOf, CLOCK, TokenExchangeRefusal } from '@app/platform'
import { DelegationStore, PrincipalStore, type DelegationRow } from '@app/storage'
import { requireScope } from '../enrollment/access.js'
import type { AuthenticatedRequester } from '../requester/requester.js'
import {
  exchangeForm,
  type DelegationBody,
  type DelegationView,
  type ExchangedView,
  type NewDelegationView
} from './contexts.schemas.js'

const LONGEST_MILLISECONDS = 30 * 86_400_000
const MOST_OF_ACCOUNT = 64
const TOKEN_SECONDS = 300

/** Who may act for whom: an account lets another, and that exchanges the token of it (RFC 8693). */
@Injectable()
export class Delegations {
  constructor(
    private readonly delegations: DelegationStore,
    private readonly principals: PrincipalStore,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** Lets another account act for the caller. Throws `not_found`, `MQ_ERROR_INVALID_PARAMETER` for a wrong time. */
  async grant(body: DelegationBody, requester: AuthenticatedRequester): Promise<NewDelegationView> {
    requireScope(requester, 'enroll')
    const { principal: subject } = requester
    const actor = await this.principals.findBySid(body.actor)
    if (actor === undefined || actor.disabledAt !== null || actor.id === subject.id) {
      throw new AppError('not_found', `There is no other account ${body.actor}.`)
    }
    const now = this.clock.now()
    const expiresAt = new Date(body.expiresAt)
    const remaining = expiresAt.getTime() - now.getTime()
    if (remaining <= 0 || remaining > LONGEST_MILLISECONDS) {
      throw new AppError('MQ_ERROR_INVALID_PARAMETER', 'A delegation ends within 30 days from now.')
    }
    const subjectToken = randomBytes(32).toString('base64url')
    const row = {
      id: randomUUID(),
      subjectId: subject.id,
      actorId: actor.id,
      tokenHash: hashOf(subjectToken),
      createdAt: now,
      expiresAt
    }
    await this.delegations.grant(row, MOST_OF_ACCOUNT, { actor: requester.name })
    return { ...viewOf({ ...row, subjectSid: subject.sid, actorSid: actor.sid }), subjectToken }
  }

  /** Those that the caller gave and has. */
  async list({ principal }: AuthenticatedRequester): Promise<{ readonly items: DelegationView[] }> {
    return { items: (await this.delegations.list(principal.id, this.clock.now())).map(viewOf) }
  }

  /** Ends one that the caller gave or has: contexts that rest on it are freed. Throws `not_found`. */
  async revoke(id: string, { principal, name }: AuthenticatedRequester): Promise<void> {
    if (await this.delegations.revoke(id, principal.id, { actor: name }, this.clock.now())) return
    throw new AppError('not_found', `There is no delegation ${id} of yours.`, { id })
  }

  /**
   * Exchanges the token of a delegation to the caller for one that obtains security contexts of its subject. Throws
   * `MQ_ERROR_INVALID_PARAMETER` for a wrong form, `MQ_ERROR_CANNOT_IMPERSONATE_CLIENT` for a token that is not one of a
   * delegation to the caller, which stands now.
   */
  async exchange(form: string, requester: AuthenticatedRequester): Promise<ExchangedView> {
    requireScope(requester, 'enroll')
    const parsed = exchangeForm.safeParse(Object.fromEntries(new URLSearchParams(form)))
    if (!parsed.success) {
      const [issue] = parsed.error.issues
      throw new TokenExchangeRefusal(
        'MQ_ERROR_INVALID_PARAMETER',
        `"${issue?.path.join('.') ?? ''}" is missing or wrong.`,
        issue?.path[0] === 'grant_type' ? 'unsupported_grant_type' : 'invalid_request'
      )
    }
    const now = this.clock.now()
    const subjectHash = hashOf(parsed.data.subject_token)
    const delegation = await this.delegations.findByToken(subjectHash, requester.principal.id, now)
    if (delegation === undefined) {
      throw new TokenExchangeRefusal(
        'MQ_ERROR_CANNOT_IMPERSONATE_CLIENT',
        `${requester.name} may not act for whom the token names.`
      )
    }
    const token = randomBytes(32).toString('base64url')
    const seconds = Math.min(TOKEN_SECONDS, Math.floor((delegation.expiresAt.getTime() - now.getTime()) / 1000))
    const expiresAt = new Date(now.getTime() + 1000 * seconds)
    const because = { actor: requester.name, detail: { subjectSid: delegation.subjectSid } }
    await this.delegations.exchange({ id: delegation.id, tokenHash: hashOf(token), expiresAt }, because, now)
    return {
      access_token: token,
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'Bearer',
      expires_in: seconds,
      scope: 'security-context'
    }
  }

  /** Who acts, and for whom, by a token that an exchange gave. Undefined for every other. */
  async authenticate(token: string): Promise<AuthenticatedRequester | undefined> {
    const found = await this.delegations.findImpersonation(hashOf(token), this.clock.now())
    if (found === undefined) return undefined
    const { actor, subject, delegationId, expiresAt } = found
    const onBehalfOf = { principal: subject, name: accountNameOf(subject), delegationId, expiresAt }
    return { principal: actor, name: accountNameOf(actor), onBehalfOf }
  }
}

function viewOf({ id, subjectSid, actorSid, createdAt, expiresAt }: DelegationRow): DelegationView {
  const times = { createdAt: createdAt.toISOString(), expiresAt: expiresAt.toISOString() }
  return { id, subject: subjectSid, actor: actorSid, ...times }
}

function hashOf(token: string): Uint8Array {
  return createHash('sha256').update(token).digest()
}
