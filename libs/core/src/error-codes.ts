/**
 * Every error code and what it means. Closed: the tables that translate a code to an HTTP problem, an HRESULT
 * or a CMCFailInfo must list each of them.
 */
export const ERROR_CODES = {
  // Encoding (X.690)
  der_truncated: 'an element ends after its container',
  der_trailing_bytes: 'bytes follow where a structure has ended',
  der_length_indefinite: 'an indefinite length where DER demands a definite one',
  der_length_not_minimal: 'a length written in more octets than needed',
  der_tag_unexpected: 'another element than the one the structure has here',
  der_integer_not_minimal: 'an integer with a superfluous leading octet',
  der_value_invalid: 'content that its type does not allow',
  der_set_order: 'a SET OF whose members are not in ascending order',
  der_too_deep: 'nesting deeper than the limit',
  der_too_large: 'more bytes or elements than the limit',
  pem_invalid: 'text that is neither PEM nor base64 of the expected kind',

  // X.509 and PKCS#10
  x509_structure: 'a certificate, CRL or name that breaks its ASN.1 syntax or RFC 5280',
  pkcs10_structure: 'a certification request that breaks its ASN.1 syntax or repeats an attribute',
  pkcs10_signature_invalid: 'the proof of possession in a PKCS#10 does not verify',
  pkcs10_null_signature: 'a PKCS#10 without a signature outside of a CMC message',
  public_key_unsupported: 'a public key of an algorithm, curve or size that is not allowed',
  chain_invalid: 'a certificate that does not chain to the trusted root',

  // CMS (RFC 5652)
  cms_structure: 'a CMS message that breaks its ASN.1 syntax',
  cms_content_type_mismatch:
    'the content-type attribute differs from eContentType, or another content type is needed here',
  cms_signed_attributes_missing: 'a SignerInfo without signed attributes where they are demanded',
  cms_attribute_missing: 'contentType or messageDigest is absent from the signed attributes',
  cms_attribute_repeated: 'an attribute that must occur once occurs again',
  cms_attribute_values: 'an attribute that must have one value has none or several',
  cms_digest_algorithm_mismatch:
    'the digest algorithm is not that of the signature algorithm, or not listed in digestAlgorithms',
  cms_algorithm_not_allowed: 'an algorithm outside the allow-list',
  cms_no_signer: 'no SignerInfo where one is demanded',
  cms_signer_count: 'more SignerInfos than allowed here',
  cms_signer_not_found: 'no certificate or key fits the signer identifier',
  cms_signer_ambiguous: 'several certificates fit the signer identifier',
  cms_content_missing: 'the content is detached where it must be embedded',
  cms_message_digest_mismatch: 'messageDigest is not the digest of the content',
  cms_signature_invalid: 'the signature does not verify',
  cms_recipient_count: 'not exactly one recipient',
  cms_decrypt_failed: 'the content could not be decrypted; the same error for every cause',

  // CMC (RFC 10002, RFC 5272) and the Microsoft dialect (MS-WCCE)
  message_type_invalid: 'the message is not of the announced or of any accepted form',
  cmc_structure: 'a CMC message that breaks its ASN.1 syntax',
  cmc_request_count: 'not exactly one certification request in the message',
  cmc_body_part_id: 'a body part id that is repeated, zero or refers to nothing',
  cmc_control_repeated: 'a control that may occur once occurs again',
  cmc_unknown_control: 'a control that is not known and must not be ignored',
  cmc_key_hash_missing: 'a key is archived and the request does not carry its hash',
  cmc_key_hash_algorithm: 'the hash of the archived key is of an algorithm that is not allowed',
  cmc_key_hash_mismatch: 'the hash of the archived key is another',
  archived_key_misplaced: 'an archived key anywhere but in the unsigned attributes of the outermost signer',
  archived_key_repeated: 'more than one archived key in a request',
  encrypted_value_unsupported: 'the deprecated EncryptedValue form of an archived key',
  proof_of_possession_missing: 'no proof that the requester holds the private key',
  proof_of_possession_invalid: 'the proof of possession does not verify',
  identity_proof_invalid: 'the identity proof is unknown, expired or does not verify',
  replayed_transaction: 'a transaction id that this requester used for another request',
  form_not_supported: 'a request form that is recognised but not processed',

  // Archived keys
  key_blob_invalid: 'the archived key is in none of the known formats or breaks its format',
  archived_key_mismatch: 'the archived key is not the private half of the requested key',
  archived_key_weak: 'the archived key is too weak to be certified',
  exchange_recipient_unknown: 'the key was wrapped to a certificate that is not an exchange certificate of this CA',
  exchange_key_gone: 'the exchange certificate has expired or its key has been destroyed',
  archival_not_configured: 'archival was asked of a CA that has none set up',
  no_valid_recovery_agent: 'no recovery agent certificate is usable',
  archived_key_required: 'the template demands archival and the request carries no key',
  archived_key_unexpected: 'the request carries a key and the template does not ask for it',

  // Policy
  template_missing: 'the request names no template',
  template_unknown: 'the template is unknown or not offered by this CA',
  template_conflict: 'the request names different templates',
  template_version: 'the request wants a newer version of the template than the CA has',
  template_denied: 'the requester may not enroll for the template',
  template_unsafe: 'the template breaks a safety rule and is not used',
  enroll_denied: 'the requester may not enroll at this CA',
  key_too_small: 'the key is smaller than the template demands',
  key_algorithm_denied: 'the template does not allow keys of this algorithm',
  key_in_use: 'the key has been certified for another principal',
  legacy_digest_denied: 'the proof of possession uses SHA-1 and the template does not allow it',
  subject_missing: 'neither a subject nor a subject alternative name would be in the certificate',
  subject_too_long: 'a name component is longer than its limit',
  subject_alt_name_required: 'the template demands a subject alternative name and the request has none',
  subject_upn_missing: 'the template needs a UPN that the principal lacks',
  subject_dns_missing: 'the template needs a DNS name that the principal lacks',
  subject_email_missing: 'the template needs a mail address that the principal lacks',
  subject_guid_missing: 'the template needs a directory GUID that the principal lacks',
  signature_policy_required: 'the template demands registration authority signatures and there are none',
  denied_by_officer: 'an officer denied the request',
  withdrawn: 'the requester took the request back',
  lint_failed: 'the certificate that would be issued breaks a rule',
  ca_certificate_invalid: 'the CA certificate is missing, expired or cannot cover the validity asked for',

  // Access and resources
  unauthenticated: 'no valid credential was given',
  access_denied: 'the credential does not allow this',
  not_found: 'there is no such object, or the caller may not know of it',
  conflict: 'the object is not in the state that this needs',
  invalid_argument: 'a parameter is missing, unknown or out of range',
  payload_too_large: 'the body is larger than the limit',
  media_type_unsupported: 'the media type is not one this route takes',
  method_not_allowed: 'the address has other methods than this one',
  idempotency_mismatch: 'the idempotency key was used for another request',
  rate_limited: 'too many requests of this kind in a short time',
  unavailable: 'a part that is needed does not answer now; try again',
  property_empty: 'the property exists and has no value here',

  // Keys, configuration, installation
  key_store_locked: 'the passphrase is missing or wrong',
  key_store_invalid: 'a stored key is damaged or of an unknown form',
  config_invalid: 'the configuration is not valid',
  database_incompatible: 'the database is newer than the program, older than supported or not reachable',
  file_exists: 'a file that must not be overwritten exists',
  installation_busy: 'another process uses the installation in a way that excludes this one',

  // Client side
  response_signature: 'the response is not signed by the CA or does not chain to the pinned trust',
  response_content_type: 'the response is not a PKIResponse',
  response_status: 'the response reports another status than success',
  response_key_mismatch: 'the certificate is not for the pending key',
  response_certificate_hash: 'the issued-certificate hash is wrong or absent',
  response_key_hash: 'the encrypted-key hash is absent or another',
  response_transaction: 'the transaction id or nonce is not ours',
  response_certificate_count: 'none or more than one certificate matches the pending key',
  server_unreachable: 'the server does not answer',
  internal: 'a defect of the program'
} as const

/** A code of {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES
