import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import { CurrentOperator, type AuthenticatedOperator } from '../access/operator.js'
import { uuidParameter } from '../access/page.schemas.js'
import { RequirePermission } from '../access/require-permission.js'
import {
  exchangeQuery,
  exchangeView,
  importBody,
  importQuery,
  importView,
  type ExchangeQuery,
  type ExchangeView,
  type ImportBody,
  type ImportQuery,
  type ImportView
} from './key-imports.schemas.js'
import { KeyImportsService } from './key-imports.service.js'

/** Keys that were archived elsewhere and come in (ICertAdmin, ImportKey). */
@ApiTags('archived-keys')
@Controller('api/v1/archived-keys')
export class KeyImportsController {
  constructor(private readonly imports: KeyImportsService) {}

  @Get('exchange-certificate')
  @RequirePermission('archive.write')
  @ApiOperation({ summary: 'What a key that is to be imported is wrapped to' })
  @ApiResponse({ status: 200, standardSchema: exchangeView })
  exchangeCertificate(
    @Query({ schema: exchangeQuery }) query: ExchangeQuery,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<ExchangeView> {
    return this.imports.exchangeCertificate(query, operator)
  }

  @Post('imports')
  @RequirePermission('archive.write')
  @ApiOperation({ summary: 'Put a key into the archive that was made or archived elsewhere' })
  @ApiResponse({ status: 201, standardSchema: importView })
  add(
    @Body({ schema: importBody }) body: ImportBody,
    @Query({ schema: importQuery }) query: ImportQuery,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<ImportView> {
    return this.imports.add(body, query, operator)
  }

  @Get('imports/:id')
  @RequirePermission('archive.read')
  @ApiOperation({ summary: 'What became of an import' })
  @ApiResponse({ status: 200, standardSchema: importView })
  show(
    @Param('id', { schema: uuidParameter }) id: string,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<ImportView> {
    return this.imports.show(id, operator)
  }
}
