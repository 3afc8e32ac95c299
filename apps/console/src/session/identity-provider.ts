import { readFileSync } from 'node:fs'
import { Inject, Injectable } from '@nestjs/common'
import {
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  None,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
  type Configuration,
  type CustomFetch
} from 'openid-client'
import { Agent, fetch as undiciFetch } from 'undici'
import { AppError, isAppError, wipe, type Clock } from '@app/core'
import { readSecretFile } from '@app/files'
import { CLOCK, CONFIG, LOG, type Config, type Logger } from '@app/platform'

/** What one sign-in is bound to; none of it may be used again. */
export interface SignInSecrets {
  readonly state: string
  readonly nonce: string
  readonly codeVerifier: string
}

/** What is known of the provider is asked for again after an hour. */
const knownFor = 3_600_000
const answerWithin = 10

/**
 * The OpenID Connect provider of the configuration: authorization code flow with PKCE (RFC 7636), state and nonce. The
 * ID token's signature, issuer, audience and times are verified (OpenID Connect Core 1.0, 3.1.3.7).
 */
@Injectable()
export class IdentityProvider {
  private known: { readonly configuration: Promise<Configuration>; readonly at: number } | undefined

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOG) private readonly log: Logger
  ) {}

  /** Where a browser goes to sign in. Throws `not_found` when no provider is configured, `unavailable`. */
  async begin(): Promise<{ readonly address: URL; readonly secrets: SignInSecrets }> {
    const configuration = await this.configuration()
    const secrets = { state: randomState(), nonce: randomNonce(), codeVerifier: randomPKCECodeVerifier() }
    const address = buildAuthorizationUrl(configuration, {
      redirect_uri: this.redirectUri(),
      scope: this.config.oidc.scope,
      state: secrets.state,
      nonce: secrets.nonce,
      code_challenge: await calculatePKCECodeChallenge(secrets.codeVerifier),
      code_challenge_method: 'S256'
    })
    return { address, secrets }
  }

  /**
   * The value of the claim that says who signed in, from what the browser brought back. Throws `unauthenticated` when
   * the provider does not vouch for this sign-in, `unavailable` when it does not answer.
   */
  async finish(query: string, { state, nonce, codeVerifier }: SignInSecrets): Promise<string> {
    const configuration = await this.configuration()
    const address = new URL(`${this.redirectUri()}?${query}`)
    try {
      const tokens = await authorizationCodeGrant(configuration, address, {
        pkceCodeVerifier: codeVerifier,
        expectedState: state,
        expectedNonce: nonce,
        idTokenExpected: true
      })
      return this.claimOf(tokens.claims() ?? {})
    } catch (error) {
      if (isAppError(error)) throw error
      this.log.info({ error }, 'A sign-in was refused.')
      throw new AppError('unauthenticated', 'The identity provider does not vouch for this sign-in. Start it again.')
    }
  }

  private claimOf(claims: Readonly<Record<string, unknown>>): string {
    const { claim } = this.config.oidc
    const value = claims[claim]
    if (typeof value !== 'string' || value === '') {
      throw new AppError('unauthenticated', `The ID token has no claim "${claim}", by which accounts are found.`)
    }
    if (claim === 'email' && claims['email_verified'] !== true) {
      throw new AppError('unauthenticated', 'The provider has not verified the mail address in the ID token.')
    }
    return value
  }

  private redirectUri(): string {
    return `${this.config.publicUrl}/api/v1/session/callback`
  }

  private async configuration(): Promise<Configuration> {
    const now = this.clock.now().getTime()
    if (this.known === undefined || now - this.known.at > knownFor) {
      this.known = { configuration: this.discover(), at: now }
    }
    const { known } = this
    try {
      return await known.configuration
    } catch (error) {
      this.known = undefined
      if (isAppError(error)) throw error
      throw new AppError('unavailable', 'The identity provider does not answer as it should.', {}, { cause: error })
    }
  }

  private async discover(): Promise<Configuration> {
    const { issuer, clientId, clientSecretFile, trustFile } = this.config.oidc
    if (issuer === undefined || clientId === undefined) {
      throw new AppError('not_found', 'No identity provider is configured (oidc.issuer).')
    }
    const secret = clientSecretFile === undefined ? undefined : await secretOf(clientSecretFile)
    const options = {
      timeout: answerWithin,
      ...(trustFile === undefined ? {} : { [customFetch]: trusting(trustFile) })
    }
    const authentication = secret === undefined ? None() : undefined
    const configuration = await discovery(new URL(issuer), clientId, secret, authentication, options)
    // The code flow could do without, since the token comes over TLS from the provider itself.
    enableNonRepudiationChecks(configuration)
    return configuration
  }
}

async function secretOf(path: string): Promise<string> {
  const bytes = await readSecretFile(path)
  try {
    return Buffer.from(bytes).toString('utf8')
  } finally {
    wipe(bytes)
  }
}

/** Fetches over TLS that trusts these roots and no others. */
function trusting(trustFile: string): CustomFetch {
  const dispatcher = new Agent({ connect: { ca: readFileSync(trustFile, 'utf8') } })
  return (url, options) => undiciFetch(url, { ...(options as object), dispatcher })
}
