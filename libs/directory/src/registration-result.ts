import { formatHresult, HRESULTS } from '@app/cmc'

/** What a registration that does not fail tells: done, or that there was nothing to do (MQRegisterCertificate). */
export type RegistrationCode = 'MQ_OK' | 'MQ_INFORMATION_INTERNAL_USER_CERT_EXIST'

/** The HRESULT of a {@link RegistrationCode}, as `0x` and eight hexadecimal digits. */
export function registrationHresult(code: RegistrationCode): string {
  return formatHresult(code === 'MQ_OK' ? 0 : HRESULTS[code].value)
}
