import { X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import { checkServerName, verifyChain } from '@app/client'
import { isAppError } from '@app/core'
import { decodeDerPemOrBase64 } from '@app/der'
import { OID } from '@app/oid'
import { describe, expect, it } from 'vitest'
import { markdownTable, withSection } from '../helpers/generated-section.js'
import { PROJECT } from '../helpers/markdown.js'
import { readVector } from '../helpers/vectors.js'

interface LimboCase {
  readonly id: string
  readonly validation_kind: 'SERVER' | 'CLIENT'
  readonly expected_result: 'SUCCESS' | 'FAILURE'
  readonly trusted_certs: readonly string[]
  readonly untrusted_intermediates: readonly string[]
  readonly peer_certificate: string
  readonly validation_time: string | null
  readonly expected_peer_name: { readonly kind: string; readonly value: string } | null
}

/** A path that cannot be built must not cost much more than one that can. */
const MAX_MILLISECONDS = 2000

const ISSUERS_RULE = 'a rule for who issues, not for who verifies (RFC 5280, 6.1)'
const PINNED = 'the root is trusted by its bytes; RFC 5280, 6.1.1 (d) takes name, key and constraints of it'
const REVOCATION = 'revocation is looked up apart from the path'
const FORUM = 'a rule of the CA/Browser Forum for public CAs'

/** What is accepted although the case has it refused, with the reason. Anything else that deviates is a defect. */
const DEVIATIONS: Readonly<Record<string, string>> = {
  'crl::revoked-certificate-with-crl': REVOCATION,
  'crl::issuer-missing-crlsign': REVOCATION,
  'pathlen::max-chain-depth-0-exhausted': 'the greatest depth is the program’s own; no caller sets it',
  'pathlen::max-chain-depth-1-exhausted': 'the greatest depth is the program’s own; no caller sets it',
  'rfc5280::aki::leaf-missing-aki': ISSUERS_RULE,
  'rfc5280::nc::permitted-dns-match-noncritical':
    'constraints count whether critical or not; webpki::nc::permitted-dns-match-noncritical wants it so',
  'rfc5280::san::underscore-dns': 'Windows names computers so; a rule for who issues',
  'rfc5280::ski::root-missing-ski': PINNED,
  'rfc5280::root-non-critical-basic-constraints': PINNED,
  'webpki::aki::root-with-aki-missing-keyidentifier': PINNED,
  'webpki::aki::root-with-aki-authoritycertissuer': PINNED,
  'webpki::aki::root-with-aki-authoritycertserialnumber': PINNED,
  'webpki::aki::root-with-aki-ski-mismatch': PINNED,
  'webpki::ca-as-leaf': FORUM,
  'webpki::cn::ipv6-uncompressed-mismatch': FORUM,
  'webpki::ee-basicconstraints-ca': FORUM,
  'webpki::eku::ee-without-eku': FORUM,
  'webpki::forbidden-rsa-key-not-divisible-by-8-in-leaf': FORUM,
  'webpki::forbidden-rsa-not-divisible-by-8-in-root': FORUM,
  'webpki::malformed-aia': 'the extension is not critical, is not read, and its addresses are never fetched',
  'webpki::san::public-suffix-private-namespace-wildcard-san': 'a private CA knows no public suffixes',
  'webpki::san::san-critical-with-nonempty-subject': ISSUERS_RULE
}

const cases = JSON.parse(readVector('x509-limbo/limbo.json').toString()) as readonly LimboCase[]
const der = (pem: string): Uint8Array => decodeDerPemOrBase64(Buffer.from(pem))

/** Whether the SDK believes the certificate of a server or client: its chain, and the name that a connection asks for. */
async function isBelieved(limbo: LimboCase): Promise<boolean> {
  const { trusted_certs, untrusted_intermediates, peer_certificate, validation_time, validation_kind } = limbo
  const at = validation_time === null ? new Date() : new Date(validation_time)
  const purpose = validation_kind === 'SERVER' ? OID.id_kp_serverAuth : OID.id_kp_clientAuth
  const certificates = [peer_certificate, ...untrusted_intermediates].map(der)
  try {
    await verifyChain(trusted_certs.join('\n'), certificates, at, { purpose })
  } catch (error) {
    if (isAppError(error, 'chain_invalid')) return false
    throw error
  }
  return isNamed(limbo)
}

function isNamed({ peer_certificate, expected_peer_name }: LimboCase): boolean {
  if (expected_peer_name === null) return true
  const certificate = new X509Certificate(peer_certificate).toLegacyObject()
  return checkServerName(expected_peer_name.value, certificate) === undefined
}

describe('the cases of x509-limbo', () => {
  it('are judged by the SDK as they say, but for the deviations that have a reason', async () => {
    const accepted: string[] = []
    const refused: string[] = []
    for (const limbo of cases) {
      const start = performance.now()
      const believed = await isBelieved(limbo)
      expect(performance.now() - start).toBeLessThan(MAX_MILLISECONDS)
      if (believed === (limbo.expected_result === 'SUCCESS')) continue
      ;(believed ? accepted : refused).push(limbo.id)
    }
    expect(refused).toEqual([])
    expect(accepted.toSorted()).toEqual(Object.keys(DEVIATIONS).toSorted())
  })

  it('that deviate stand in docs/conformance.md', async () => {
    const path = join(PROJECT, 'docs/conformance.md')
    const rows = Object.entries(DEVIATIONS).map(([id, reason]) => [`\`${id}\``, reason])
    const document = await withSection(path, 'x509-limbo', markdownTable(['Case', 'Why'], rows))
    await expect(document).toMatchFileSnapshot(path)
  })
})
