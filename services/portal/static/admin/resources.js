// What there is to administer, in the order of the start page. A new resource is its descriptor, its sentences, and a
// line here.

import { apiKeys } from './descriptors/api-keys.js';
import { applications } from './descriptors/applications.js';
import { audit } from './descriptors/audit.js';
import { changes } from './descriptors/changes.js';
import { dead } from './descriptors/dead.js';
import { files } from './descriptors/files.js';
import { groups } from './descriptors/groups.js';
import { jobs } from './descriptors/jobs.js';
import { links } from './descriptors/links.js';
import { peers } from './descriptors/peers.js';
import { permissions } from './descriptors/permissions.js';
import { processing } from './descriptors/processing.js';
import { results } from './descriptors/results.js';
import { serviceAccounts } from './descriptors/service-accounts.js';
import { sessions } from './descriptors/sessions.js';
import { settings } from './descriptors/settings.js';
import { shares } from './descriptors/shares.js';
import { users } from './descriptors/users.js';

/** @type {import('./engine.js').Descriptor[]} */
export const RESOURCES = [
  files,
  results,
  users,
  groups,
  permissions,
  sessions,
  shares,
  links,
  apiKeys,
  serviceAccounts,
  applications,
  peers,
  processing,
  jobs,
  dead,
  settings,
  audit,
  changes,
];
