import { CR_DISP, CR_GEMT, CR_IN, CR_OUT } from '@app/cmc'

/** The flags of Submit under their plain names (certcli.h, CR_IN_*). */
export const {
  CR_IN_BASE64HEADER,
  CR_IN_BASE64,
  CR_IN_BINARY,
  CR_IN_ENCODEANY,
  CR_IN_FORMATANY,
  CR_IN_PKCS10,
  CR_IN_KEYGEN,
  CR_IN_PKCS7,
  CR_IN_CMC,
  CR_IN_FULLRESPONSE,
  CR_IN_CRLS
} = CR_IN

/** The encodings of an answer under their plain names (certcli.h, CR_OUT_*). */
export const { CR_OUT_BASE64HEADER, CR_OUT_BASE64, CR_OUT_BINARY, CR_OUT_CHAIN, CR_OUT_CRLS } = CR_OUT

/** The dispositions of a request under their plain names (certcli.h, CR_DISP_*). */
export const {
  CR_DISP_INCOMPLETE,
  CR_DISP_ERROR,
  CR_DISP_DENIED,
  CR_DISP_ISSUED,
  CR_DISP_ISSUED_OUT_OF_BAND,
  CR_DISP_UNDER_SUBMISSION,
  CR_DISP_REVOKED
} = CR_DISP

/** The flags of GetErrorMessageText under their plain names (certcli.h, CR_GEMT_*). */
export const { CR_GEMT_DEFAULT, CR_GEMT_HRESULT_STRING } = CR_GEMT

export { CR_DISP, CR_GEMT, CR_IN, CR_OUT, CR_PROPERTIES, FR_PROP_FULLRESPONSE, FR_PROPERTIES } from '@app/cmc'
