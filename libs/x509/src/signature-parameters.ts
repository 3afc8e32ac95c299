import { AppError } from '@app/core'
import { DerReader } from '@app/der'
import { OID } from '@app/oid'
import { decodeAlgorithmIdentifier, decodeDigestName, DIGEST_LENGTHS, type DigestName } from './algorithm.js'

/**
 * Reads RSASSA-PSS parameters and returns their one hash function. Throws `cms_algorithm_not_allowed` when the
 * parameters are absent, when the mask uses another function or hash than the message, or the salt is not as long as
 * the hash; a `der_…` code for broken syntax.
 *
 * ```asn1
 * RSASSA-PSS-params ::= SEQUENCE {
 *   hashAlgorithm     [0] HashAlgorithm     DEFAULT sha1Identifier,
 *   maskGenAlgorithm  [1] MaskGenAlgorithm  DEFAULT mgf1SHA1Identifier,
 *   saltLength        [2] INTEGER           DEFAULT 20,
 *   trailerField      [3] INTEGER           DEFAULT 1 }
 * ```
 * RFC 4055, 3.1. A default that is written out is accepted against DER because that section demands it.
 */
export function decodePssParameters(parameters: Uint8Array | undefined): DigestName {
  if (parameters === undefined) throw refused('are absent')
  const reader = DerReader.over(parameters)
  const body = reader.sequence('RSASSA-PSS parameters')
  reader.end('RSASSA-PSS parameters')
  const digest = decodePssDigest(body)
  const maskDigest = decodePssMask(body)
  const salt = body.optionalExplicit(2, 'PSS salt length')
  const saltLength = salt?.smallInteger('PSS salt length') ?? 20
  salt?.end('PSS salt length')
  const trailer = body.optionalExplicit(3, 'PSS trailer field')
  const trailerField = trailer?.smallInteger('PSS trailer field') ?? 1
  trailer?.end('PSS trailer field')
  body.end('RSASSA-PSS parameters')
  if (maskDigest !== digest) throw refused(`use ${digest} for the message and ${maskDigest} for the mask`)
  if (saltLength !== DIGEST_LENGTHS[digest]) throw refused(`have a salt of ${saltLength} octets with ${digest}`)
  if (trailerField !== 1) throw refused('have a trailer field other than 1')
  return digest
}

function decodePssDigest(body: DerReader): DigestName {
  const field = body.optionalExplicit(0, 'PSS hash algorithm')
  if (field === undefined) return 'sha1'
  const digest = decodeDigestName(decodeAlgorithmIdentifier(field, 'PSS hash algorithm'), 'PSS hash algorithm')
  field.end('PSS hash algorithm')
  return digest
}

function decodePssMask(body: DerReader): DigestName {
  const field = body.optionalExplicit(1, 'PSS mask')
  if (field === undefined) return 'sha1'
  const mask = decodeAlgorithmIdentifier(field, 'PSS mask')
  field.end('PSS mask')
  if (mask.oid !== OID.id_mgf1 || mask.parameters === undefined) throw refused('have a mask function other than MGF1')
  return decodeSpecifiedDigest(mask.parameters)
}

/**
 * Reads a HashAlgorithm that is the parameters of another algorithm: of MGF1, or of ecdsa-with-Specified (X9.62), which
 * Windows writes for EC keys when a template asks for the alternate signature algorithm. Throws
 * `cms_algorithm_not_allowed` when it is absent or not accepted.
 */
export function decodeSpecifiedDigest(parameters: Uint8Array | undefined): DigestName {
  if (parameters === undefined) throw refused('name no hash function')
  const reader = DerReader.over(parameters)
  const digest = decodeDigestName(decodeAlgorithmIdentifier(reader, 'hash algorithm'), 'hash algorithm')
  reader.end('hash algorithm')
  return digest
}

function refused(why: string): AppError {
  return new AppError('cms_algorithm_not_allowed', `The parameters of the signature algorithm ${why}.`)
}
