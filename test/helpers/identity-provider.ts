import { generateKeyPairSync } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { createServer, type Server } from 'node:https'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodePem } from '@app/der'
import { OID } from '@app/oid'
import { encodeSubjectAltName } from '@app/x509'
import { Provider, type Configuration } from 'oidc-provider'
import { buildSampleCertificate, nameOf, sampleKey, type SampleKey } from './x509-samples.js'

const { privateKey: signingKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })

/** An OpenID Connect provider in this process, over TLS with a certificate of its own. */
export interface TestIdentityProvider {
  readonly issuer: string
  readonly clientId: string
  /** Files for the server's configuration. */
  readonly clientSecretFile: string
  readonly trustFile: string
  /** PEM that the provider's certificate is trusted by. */
  readonly trust: string
  /** Who signs in from now on, and what the provider says of the person. */
  signInAs(claims: Readonly<Record<string, unknown>>): void
  stop(): Promise<void>
}

/** Starts a provider that lets a client of ours come back to the address given. */
export async function startIdentityProvider(redirectUri: string): Promise<TestIdentityProvider> {
  const directory = mkdtempSync(join(tmpdir(), 'certkeep-oidc-'))
  const { privateKey, ...identity } = sampleKey('P-256')
  const certificate = encodePem('CERTIFICATE', certificateOf({ privateKey, ...identity }))
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' })
  let claims: Readonly<Record<string, unknown>> = { sub: 'nobody' }
  let handle: RequestListener | undefined
  const server = createServer({ key, cert: certificate }, (request, response) => handle?.(request, response))
  const issuer = await listening(server)
  const clientSecret = 'a secret of the test, long enough for HMAC'
  const clientSecretFile = join(directory, 'client.secret')
  const trustFile = join(directory, 'provider.pem')
  writeFileSync(clientSecretFile, clientSecret, { mode: 0o600 })
  writeFileSync(trustFile, certificate)
  const provider = new Provider(issuer, configurationOf({ clientSecret, redirectUri, claims: () => claims }))
  const answer = provider.callback()
  handle = (request, response) => {
    // Whoever has to sign in does so at once, as the person of the moment.
    if (request.url?.startsWith('/interaction/') !== true) return void answer(request, response)
    const result = { login: { accountId: String(claims['sub']) } }
    return void provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false })
  }
  return {
    issuer,
    clientId: 'certkeep',
    clientSecretFile,
    trustFile,
    trust: certificate,
    signInAs: next => {
      claims = next
    },
    async stop() {
      server.closeAllConnections()
      await new Promise(resolve => {
        server.close(resolve)
      })
      rmSync(directory, { recursive: true })
    }
  }
}

interface ClientParts {
  readonly clientSecret: string
  readonly redirectUri: string
  readonly claims: () => Readonly<Record<string, unknown>>
}

function configurationOf({ clientSecret, redirectUri, claims }: ClientParts): Configuration {
  return {
    clients: [
      {
        client_id: 'certkeep',
        client_secret: clientSecret,
        redirect_uris: [redirectUri],
        grant_types: ['authorization_code'],
        response_types: ['code'],
        token_endpoint_auth_method: 'client_secret_post',
        id_token_signed_response_alg: 'RS256'
      }
    ],
    // Claims stand in the ID token itself, not only where the access token opens them.
    conformIdTokenClaims: false,
    claims: { openid: ['sub', 'upn'], email: ['email', 'email_verified'], profile: ['preferred_username'] },
    findAccount: (_context, accountId) => ({
      accountId,
      claims: async () => ({ ...claims(), sub: accountId })
    }),
    // Nobody is asked whether the server may know who they are.
    loadExistingGrant: async context => {
      const { client, session } = context.oidc
      const grant = new context.oidc.provider.Grant({
        ...(client === undefined ? {} : { clientId: client.clientId }),
        ...(session?.accountId === undefined ? {} : { accountId: session.accountId })
      })
      grant.addOIDCScope('openid profile email')
      await grant.save()
      return grant
    },
    interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
    features: { devInteractions: { enabled: false } },
    jwks: { keys: [{ ...signingKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' }] },
    ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
    pkce: { required: () => true },
    cookies: { keys: ['a key of the test'] }
  }
}

function certificateOf(key: SampleKey): Uint8Array {
  const names = encodeSubjectAltName([{ kind: 'dNSName', value: 'localhost' }])
  return buildSampleCertificate(key, {
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 3_600_000),
    subject: nameOf('CN=identity provider'),
    issuer: nameOf('CN=identity provider'),
    extensions: [{ oid: OID.id_ce_subjectAltName, critical: false, value: names }]
  })
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('The identity provider does not listen.')
  return `https://localhost:${address.port}`
}
