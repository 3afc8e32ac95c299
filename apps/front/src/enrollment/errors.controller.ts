import { Controller, Get, Param } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import { z } from 'zod'
import { AppError } from '@app/core'
import { errorMessageText, formatHresult, HRESULTS } from '@app/cmc'

const hresultParameter = z.string().max(64)
const errorView = z.object({
  hresult: z.string(),
  symbol: z.string().optional(),
  text: z.string(),
  textWithCode: z.string().describe('As with CR_GEMT_HRESULT_STRING.')
})

/** What an HRESULT means (GetErrorMessageText); the same for everybody, so it needs no credential. */
@ApiTags('errors')
@Controller('api/v1/errors')
export class ErrorsController {
  @Get(':hresult')
  @ApiOperation({ summary: 'The text of an HRESULT (GetErrorMessageText)' })
  @ApiResponse({ status: 200, standardSchema: errorView })
  show(@Param('hresult', { schema: hresultParameter }) given: string): z.infer<typeof errorView> {
    const value = hresultFrom(given)
    const known = Object.entries(HRESULTS).find(([, entry]) => entry.value === value)
    return {
      hresult: formatHresult(value),
      ...(known === undefined ? {} : { symbol: known[0] }),
      text: errorMessageText(value, { withCode: false }),
      textWithCode: errorMessageText(value, { withCode: true })
    }
  }
}

/** `0x80094012`, its signed or unsigned decimal, or the symbol. */
function hresultFrom(text: string): number {
  const known = Object.entries(HRESULTS).find(([symbol]) => symbol === text.toUpperCase())
  if (known !== undefined) return known[1].value
  if (/^0x[0-9a-f]{1,8}$/i.test(text) || /^-?\d{1,10}$/.test(text)) {
    const number = Number(text)
    if (number >= -0x80000000 && number <= 0xffffffff) return number >>> 0
  }
  throw new AppError(
    'invalid_argument',
    `"${text}" is no HRESULT: give 0x and hexadecimal digits, a decimal or a symbol.`
  )
}
