import { AppError } from '@app/core'
import { DerReader } from '@app/der'
import { OID } from '@app/oid'
import { findAttribute } from '@app/x509'
import { controlsOf, findOctets } from './control.js'
import { decodeSecretWitness, verifyIdentityProofV2, type SecretWitness } from './identity-proof.js'
import type { CmcMessage } from './request-message.js'

/** A claim that the sender knows a shared secret, with all that is needed to verify it. */
export interface IdentityClaim {
  /** Helps to find the secret. Protected by nothing before the proof has been verified. */
  readonly identification?: string
  readonly witness: SecretWitness
  /** The reqSequence element as received: what `witness` covers. */
  readonly covered: Uint8Array
  /** Ties the request to the same secret, whoever puts it into another message. */
  readonly popLink?: { readonly random: Uint8Array; readonly witness: SecretWitness }
}

/**
 * The claim of identity that a request makes; undefined when it makes none. Throws `form_not_supported` for an
 * identification or POP link without an identity proof, `cmc_structure` when only one half of a POP link is there, or a
 * `der_…` code (RFC 10002 (RFC 5272), 6.2 and 6.3).
 */
export function identityClaimOf(message: CmcMessage): IdentityClaim | undefined {
  const [proof] = controlsOf(message.controls, 'identityProofV2')
  const [identification] = controlsOf(message.controls, 'identification')
  const popLink = findPopLink(message)
  if (proof === undefined) {
    if (identification === undefined && popLink === undefined) return undefined
    throw new AppError(
      'form_not_supported',
      'An identification or POP link control needs an identity proof beside it; without one nothing can be verified.'
    )
  }
  return {
    ...(identification === undefined ? {} : { identification: identification.text }),
    witness: proof.witness,
    covered: message.pkiData.requestSequence,
    ...(popLink === undefined ? {} : { popLink })
  }
}

function findPopLink(message: CmcMessage): IdentityClaim['popLink'] {
  const random = findOctets(message.controls, 'popLinkRandom')
  const value = findWitnessElement(message)
  if (random === undefined && value === undefined) return undefined
  if (random === undefined || value === undefined) {
    throw new AppError(
      'cmc_structure',
      'The message has a POP link random value or a POP link witness without the other.'
    )
  }
  const reader = DerReader.over(value)
  const witness = decodeSecretWitness(reader, 'PopLinkWitnessV2')
  reader.end('PopLinkWitnessV2')
  return { random, witness }
}

/** In a PKCS#10 the witness is an attribute, in CRMF a control (RFC 10002 (RFC 5272), 6.3.1.1). */
function findWitnessElement({ request }: CmcMessage): Uint8Array | undefined {
  if (request.kind === 'pkcs10') {
    return findAttribute(request.request.attributes, OID.id_cmc_popLinkWitnessV2)?.values[0]
  }
  return request.message.controls.find(({ type }) => type === OID.id_cmc_popLinkWitnessV2)?.value
}

/**
 * Verifies a claim with the secret (UTF-8) that its owner was given. Throws `identity_proof_invalid`, the same for every
 * cause.
 */
export function verifyIdentityClaim(claim: IdentityClaim, secret: Uint8Array): void {
  const shared = { secret, identification: claim.identification }
  verifyIdentityProofV2(claim.covered, claim.witness, shared)
  if (claim.popLink !== undefined) verifyIdentityProofV2(claim.popLink.random, claim.popLink.witness, shared)
}
