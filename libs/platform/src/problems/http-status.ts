import { ERROR_CODES, type ErrorCode } from '@app/core'

/**
 * What HTTP says for each error code. 400: the message cannot be read. 422: it can, and a rule refuses it. 403: the
 * caller may not. 500 for codes that only a client or the command line can raise: at a server they are defects.
 */
const STATUS = {
  der_truncated: 400,
  der_trailing_bytes: 400,
  der_length_indefinite: 400,
  der_length_not_minimal: 400,
  der_tag_unexpected: 400,
  der_integer_not_minimal: 400,
  der_value_invalid: 400,
  der_set_order: 400,
  der_too_deep: 400,
  der_too_large: 400,
  pem_invalid: 400,

  ldif_invalid: 400,
  security_descriptor_invalid: 400,

  x509_structure: 400,
  pkcs10_structure: 400,
  pkcs10_signature_invalid: 422,
  pkcs10_null_signature: 422,
  public_key_unsupported: 422,
  chain_invalid: 422,

  cms_structure: 400,
  cms_content_type_mismatch: 400,
  cms_signed_attributes_missing: 422,
  cms_attribute_missing: 422,
  cms_attribute_repeated: 400,
  cms_attribute_values: 400,
  cms_digest_algorithm_mismatch: 422,
  cms_algorithm_not_allowed: 422,
  cms_no_signer: 422,
  cms_signer_count: 422,
  cms_signer_not_found: 422,
  cms_signer_ambiguous: 422,
  cms_content_missing: 400,
  cms_message_digest_mismatch: 422,
  cms_signature_invalid: 422,
  cms_recipient_count: 422,
  cms_decrypt_failed: 422,

  message_type_invalid: 400,
  cmc_structure: 400,
  cmc_request_count: 422,
  cmc_body_part_id: 422,
  cmc_control_repeated: 422,
  cmc_unknown_control: 422,
  cmc_key_hash_missing: 422,
  cmc_key_hash_algorithm: 422,
  cmc_key_hash_mismatch: 422,
  archived_key_misplaced: 422,
  archived_key_repeated: 422,
  encrypted_value_unsupported: 422,
  proof_of_possession_missing: 422,
  proof_of_possession_invalid: 422,
  identity_proof_invalid: 403,
  replayed_transaction: 409,
  form_not_supported: 422,

  key_blob_invalid: 422,
  archived_key_mismatch: 422,
  archived_key_weak: 422,
  archived_key_exists: 409,
  exchange_recipient_unknown: 422,
  exchange_key_gone: 409,
  archival_not_configured: 409,
  no_valid_recovery_agent: 409,
  recovery_shares_missing: 409,
  recovery_share_invalid: 422,
  recovery_approvals_missing: 409,
  recovery_expired: 409,
  archived_key_required: 422,
  archived_key_unexpected: 422,

  template_missing: 422,
  template_unknown: 422,
  template_conflict: 422,
  template_version: 422,
  template_denied: 403,
  template_unsafe: 422,
  activator_is_author: 403,
  enroll_denied: 403,
  key_too_small: 422,
  key_algorithm_denied: 422,
  key_in_use: 409,
  legacy_digest_denied: 422,
  subject_missing: 422,
  name_deceptive: 422,
  names_too_many: 422,
  subject_too_long: 422,
  subject_alt_name_required: 422,
  subject_upn_missing: 422,
  subject_dns_missing: 422,
  subject_email_missing: 422,
  subject_guid_missing: 422,
  signature_policy_required: 422,
  signature_count: 422,
  signature_rejected: 422,
  issuance_policy_required: 422,
  signer_untrusted: 422,
  certificate_revoked: 422,
  certificate_expired: 422,
  renewal_certificate: 422,
  renewal_subject: 422,
  renewal_key: 422,
  agent_usage: 403,
  agent_restricted: 403,
  account_unknown: 422,
  revocation_state: 409,
  denied_by_officer: 403,
  withdrawn: 409,
  pending_expired: 409,
  lint_failed: 422,
  ca_certificate_invalid: 409,

  unauthenticated: 401,
  access_denied: 403,
  role_conflict: 403,
  restricted_officer: 403,
  not_found: 404,
  conflict: 409,
  precondition_failed: 412,
  approver_excluded: 403,
  invalid_argument: 400,
  payload_too_large: 413,
  media_type_unsupported: 415,
  method_not_allowed: 405,
  idempotency_mismatch: 422,
  rate_limited: 429,
  unavailable: 503,
  property_empty: 404,

  registration_schema_invalid: 400,
  registration_refused: 403,
  registration_retry: 503,

  key_store_locked: 503,
  key_store_invalid: 503,
  config_invalid: 500,
  database_incompatible: 503,
  file_exists: 409,
  installation_busy: 503,

  MQ_ERROR_INVALID_PARAMETER: 400,
  MQ_ERROR_ILLEGAL_USER: 403,
  MQ_ERROR_NO_DS: 503,
  MQ_ERROR_INTERNAL_USER_CERT_EXIST: 409,
  MQ_ERROR_DS_IS_FULL: 507,
  MQ_ERROR_DS_ERROR: 500,
  MQ_ERROR_UNSUPPORTED_OPERATION: 501,
  MQ_ERROR_CANNOT_CREATE_CERT_STORE: 403,
  MQ_ERROR_CANNOT_OPEN_CERT_STORE: 403,
  MQ_ERROR_INVALID_CERTIFICATE: 422,
  MQ_ERROR_CORRUPTED_SECURITY_DATA: 500,
  MQ_ERROR_PUBLIC_KEY_NOT_FOUND: 422,
  MQ_ERROR_FAIL_VERIFY_SIGNATURE_EX: 422,

  reply_signature_invalid: 500,
  reply_missing: 504,
  server_certificate_revoked: 500,
  revocation_offline: 500,
  response_signature: 500,
  response_content_type: 500,
  response_status: 500,
  response_key_mismatch: 500,
  response_certificate_hash: 500,
  response_key_hash: 500,
  response_transaction: 500,
  response_certificate_count: 500,
  server_unreachable: 503,
  internal: 500
} as const satisfies Record<ErrorCode, number>

/** Codes that may not come again when the same request is sent again a little later. */
const RETRYABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'rate_limited',
  'unavailable',
  'key_store_locked',
  'database_incompatible',
  'installation_busy',
  'registration_retry',
  'MQ_ERROR_NO_DS',
  'server_unreachable'
])

/** The HTTP side of an error code: status, the title of its problem type, and whether to try again. */
export interface HttpProblem {
  readonly status: number
  readonly title: string
  readonly retryable: boolean
}

const titled = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)

/** How each error code is told over HTTP (RFC 9457). */
export const HTTP_PROBLEMS: Readonly<Record<ErrorCode, HttpProblem>> = Object.fromEntries(
  (Object.keys(STATUS) as ErrorCode[]).map(code => [
    code,
    { status: STATUS[code], title: titled(ERROR_CODES[code]), retryable: RETRYABLE.has(code) }
  ])
) as Record<ErrorCode, HttpProblem>
