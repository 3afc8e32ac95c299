import { createHash, randomUUID } from 'node:crypto'
import { Inject, Injectable } from '@nestjs/common'
import { AppError, type Clock, type Entropy } from '@app/core'
import { accountNameOf, CLOCK, CONFIG, ENTROPY, type Config } from '@app/platform'
import { PrincipalStore, SessionStore, type PrincipalRow, type SessionRow } from '@app/storage'
import { NamedObjects } from '../access/named-objects.js'
import type { AuthenticatedOperator } from '../access/operator.js'
import { IdentityProvider } from './identity-provider.js'
import type { SessionView, SignedInView } from './session.schemas.js'

/** How long a browser may be at the identity provider. */
const signInSeconds = 600

/** A secret for a cookie, and how long it lasts. */
export interface CookieSecret {
  readonly secret: string
  readonly seconds: number
}

/** Signing in by a browser and out again. */
@Injectable()
export class SessionService {
  constructor(
    private readonly provider: IdentityProvider,
    private readonly sessions: SessionStore,
    private readonly principals: PrincipalStore,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(ENTROPY) private readonly entropy: Entropy,
    @Inject(CONFIG) private readonly config: Config
  ) {}

  /** Sends a browser to the identity provider; what it brings back counts for this browser only. */
  async begin(): Promise<{ readonly address: string; readonly cookie: CookieSecret }> {
    const { address, secrets } = await this.provider.begin()
    const secret = this.newSecret()
    const now = this.clock.now()
    const expiresAt = new Date(now.getTime() + signInSeconds * 1000)
    await this.sessions.beginSignIn({ ...secrets, browserHash: sha256(secret), expiresAt }, now)
    return { address: address.href, cookie: { secret, seconds: signInSeconds } }
  }

  /**
   * Opens a session for whoever the identity provider says came back. Throws `unauthenticated` for a sign-in that this
   * browser did not begin or that was used before, and for a person whom the directory does not know or has disabled.
   */
  async finish(
    browserSecret: string | undefined,
    { state, query }: { readonly state: string; readonly query: string }
  ): Promise<{ readonly account: string; readonly cookie: CookieSecret }> {
    // 1. The sign-in is this browser's, and is used up by this.
    const now = this.clock.now()
    const begun =
      browserSecret === undefined ? undefined : await this.sessions.takeSignIn(sha256(browserSecret), state, now)
    if (begun === undefined) {
      throw new AppError('unauthenticated', 'This browser has begun no such sign-in, or too long ago. Start it again.')
    }
    // 2. Who it is: the provider's word, then the directory's.
    const principal = await this.findPerson(await this.provider.finish(query, begun))
    // 3. The session.
    const secret = this.newSecret()
    const seconds = this.config.operators.sessionHours * 3600
    const account = accountNameOf(principal)
    const expiresAt = new Date(now.getTime() + seconds * 1000)
    const row = { id: randomUUID(), principalId: principal.id, method: 'oidc', createdAt: now, expiresAt } as const
    await this.sessions.open({ ...row, secretHash: sha256(secret) }, { actor: account })
    return { account, cookie: { secret, seconds } }
  }

  /** Who calls, and in which browsers it is signed in. */
  async describe(operator: AuthenticatedOperator, named: NamedObjects): Promise<SignedInView> {
    const { principal, assignments, session, credential } = operator
    const caName = await named.caNames()
    const sessions = await this.sessions.list(principal.id, this.clock.now(), this.idleSince())
    return {
      account: operator.name,
      principalId: principal.id,
      ...(principal.displayName === null ? {} : { displayName: principal.displayName }),
      credential: session !== undefined ? 'session' : credential !== undefined ? 'token' : 'certificate',
      roles: assignments.map(({ role, caId, scope }) => {
        const ca = caName(caId)
        const limit = scope && { templates: [...scope.templates], subjectGroups: [...scope.subjectGroups] }
        return { role, ...(ca === undefined ? {} : { ca }), ...(limit === null ? {} : { scope: limit }) }
      }),
      sessions: sessions.map(row => sessionViewOf(row, session?.id))
    }
  }

  /** Ends the session that asks. Throws `conflict` for a caller without one. */
  async end({ session, name }: AuthenticatedOperator): Promise<void> {
    if (session === undefined) throw new AppError('conflict', 'This call came with no session that could be ended.')
    await this.sessions.revoke(session.id, { actor: name }, this.clock.now())
  }

  /** Ends one of the caller's own sessions. Throws `not_found`. */
  async endOwn(id: string, operator: AuthenticatedOperator): Promise<void> {
    const row = await this.sessions.findById(id)
    const ended =
      row?.principalId === operator.principal.id &&
      (await this.sessions.revoke(id, { actor: operator.name }, this.clock.now()))
    if (!ended) throw new AppError('not_found', `You have no session ${id}.`)
  }

  /** The sessions of an account. */
  async listOf(principal: PrincipalRow): Promise<readonly SessionView[]> {
    const rows = await this.sessions.list(principal.id, this.clock.now(), this.idleSince())
    return rows.map(row => sessionViewOf(row, undefined))
  }

  /** Ends a session of anybody, at once. Throws `not_found`. */
  async endAny(id: string, operator: AuthenticatedOperator): Promise<void> {
    if (await this.sessions.revoke(id, { actor: operator.name }, this.clock.now())) return
    throw new AppError('not_found', `There is no session ${id}.`)
  }

  private async findPerson(claim: string): Promise<PrincipalRow> {
    const { attribute } = this.config.oidc
    const [only, ...others] = await this.principals.findUsersBy(attribute, claim)
    if (only === undefined || others.length > 0 || only.disabledAt !== null) {
      throw new AppError('unauthenticated', 'The directory has no account, or not just one, for whoever signed in.')
    }
    return only
  }

  private idleSince(): Date {
    return new Date(this.clock.now().getTime() - this.config.operators.sessionIdleMinutes * 60_000)
  }

  private newSecret(): string {
    return Buffer.from(this.entropy.bytes(32)).toString('base64url')
  }
}

function sessionViewOf(row: SessionRow, current: string | undefined): SessionView {
  return {
    id: row.id,
    method: row.method,
    createdAt: row.createdAt.toISOString(),
    lastSeenAt: row.lastSeenAt.toISOString(),
    expiresAt: row.expiresAt.toISOString(),
    current: row.id === current
  }
}

function sha256(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}
