import { Body, Controller, Get, HttpCode, Post, StreamableFile } from '@nestjs/common'
import { ApiOperation, ApiProduces, ApiResponse, ApiTags } from '@nestjs/swagger'
import { CurrentOperator, type AuthenticatedOperator } from '../access/operator.js'
import { RequirePermission } from '../access/require-permission.js'
import { importBody, importView, type ImportBody, type ImportView } from './directory-ldif.schemas.js'
import { DirectoryLdifService } from './directory-ldif.service.js'

const TYPE = 'text/x-ldif; charset=utf-8'

/** The directory as LDIF. */
@ApiTags('directory')
@Controller('api/v1/directory')
export class DirectoryLdifController {
  constructor(private readonly ldif: DirectoryLdifService) {}

  @Get('export')
  @RequirePermission('directory.read')
  @ApiOperation({ summary: 'Every user, computer and group as LDIF' })
  @ApiProduces(TYPE)
  @ApiResponse({ status: 200 })
  export(): StreamableFile {
    return new StreamableFile(this.ldif.export(), { type: TYPE })
  }

  @Post('import')
  @HttpCode(200)
  @RequirePermission('directory.write', { at: 'all' })
  @ApiOperation({ summary: 'Add and change accounts and groups from LDIF' })
  @ApiResponse({ status: 200, standardSchema: importView })
  import(
    @Body({ schema: importBody }) body: ImportBody,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<ImportView> {
    return this.ldif.import(body, operator)
  }
}
