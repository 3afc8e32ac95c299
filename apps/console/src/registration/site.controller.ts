import type { IncomingHttpHeaders } from 'node:http'
import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Post, Put, Query } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import { ClientStore } from '@app/storage'
import { ChangesEntity, conditionsOf, TellsEntityTag } from '../access/entity-tag.js'
import { CurrentOperator, type AuthenticatedOperator } from '../access/operator.js'
import { pageOfViews, uuidParameter } from '../access/page.schemas.js'
import { RequirePermission } from '../access/require-permission.js'
import { viewOfConflict } from './client-views.js'
import {
  conflictsQuery,
  conflictsView,
  proxiesView,
  proxyBody,
  proxyView,
  resolveBody,
  signingCertificatesView,
  siteBody,
  siteView,
  smsidParameter,
  type ConflictsQuery,
  type ConflictsView,
  type ProxiesView,
  type ProxyBody,
  type ProxyView,
  type ResolveBody,
  type SigningCertificatesView,
  type SiteBody,
  type SiteView
} from './clients.schemas.js'
import { becauseOf } from './clients.service.js'
import { ConflictResolution } from './conflict-resolution.js'
import { SiteService } from './site.service.js'

/** The site that clients register with. It is one for every CA, and so is the right to change it. */
@ApiTags('configmgr')
@Controller('api/v1/configmgr')
export class SiteController {
  constructor(
    private readonly site: SiteService,
    private readonly clients: ClientStore,
    private readonly conflicts: ConflictResolution
  ) {}

  @Get('pending-registrations')
  @RequirePermission('client.read')
  @ApiOperation({ summary: 'Clients with the hardware identifier of another, newest first' })
  @ApiResponse({ status: 200, standardSchema: conflictsView })
  async listConflicts(@Query({ schema: conflictsQuery }) query: ConflictsQuery): Promise<ConflictsView> {
    const { open, limit, cursor } = query
    const page = await this.clients.listConflicts(open === undefined ? {} : { isOpen: open }, limit, cursor)
    return pageOfViews(page, viewOfConflict)
  }

  @Post('pending-registrations/:id/resolve')
  @HttpCode(204)
  @RequirePermission('client.write', { at: 'all' })
  @ApiOperation({ summary: 'Say what two clients with one hardware identifier are' })
  resolve(
    @Param('id', { schema: uuidParameter }) id: string,
    @Body({ schema: resolveBody }) { resolution, comment }: ResolveBody,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<void> {
    return this.conflicts.resolve(id, resolution, becauseOf(operator, comment))
  }

  @Get('site')
  @TellsEntityTag()
  @RequirePermission('client.read')
  @ApiOperation({ summary: 'The settings of the site' })
  @ApiResponse({ status: 200, standardSchema: siteView })
  show(): Promise<SiteView> {
    return this.site.get()
  }

  @Put('site')
  @ChangesEntity()
  @RequirePermission('site.write', { at: 'all' })
  @ApiOperation({ summary: 'Change the settings of the site' })
  @ApiResponse({ status: 200, standardSchema: siteView })
  change(
    @Body({ schema: siteBody }) body: SiteBody,
    @Headers() headers: IncomingHttpHeaders,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<SiteView> {
    return this.site.change(body, conditionsOf(headers).version, operator)
  }

  @Get('isv-proxies')
  @RequirePermission('client.read')
  @ApiOperation({ summary: 'Programs that register clients and sign for them, removed ones too' })
  @ApiResponse({ status: 200, standardSchema: proxiesView })
  listProxies(): Promise<ProxiesView> {
    return this.site.listProxies()
  }

  @Post('isv-proxies')
  @RequirePermission('site.write', { at: 'all' })
  @ApiOperation({ summary: 'Import the certificate of a proxy, which gets its SMSID' })
  @ApiResponse({ status: 201, standardSchema: proxyView })
  importProxy(
    @Body({ schema: proxyBody }) body: ProxyBody,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<ProxyView> {
    return this.site.importProxy(body, operator)
  }

  @Delete('isv-proxies/:smsid')
  @HttpCode(204)
  @RequirePermission('site.write', { at: 'all' })
  @ApiOperation({ summary: 'Let a proxy register nobody any more' })
  removeProxy(
    @Param('smsid', { schema: smsidParameter }) smsid: string,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<void> {
    return this.site.removeProxy(smsid, operator)
  }

  @Get('management-points/signing-certificates')
  @RequirePermission('client.read')
  @ApiOperation({ summary: 'The certificates that replies are signed with, for the stores of clients' })
  @ApiResponse({ status: 200, standardSchema: signingCertificatesView })
  signingCertificates(): Promise<SigningCertificatesView> {
    return this.site.listSigningCertificates()
  }
}
