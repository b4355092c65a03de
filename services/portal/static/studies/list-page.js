// The home of the portal: all studies that the reader may see.

import { pageAddress, viewerAddress } from '../app/addresses.js';
import { t } from '../app/i18n.js';
import { Listing } from '../app/listing.js';
import { go } from '../app/router.js';
import { ShareButton } from '../shares/share-button.js';
import { LinkButton } from '../ui/button.js';
import { html } from '../ui/html.js';
import { goTo, ListView, useListing } from '../ui/list-view.js';
import { linkSheet } from '../ui/sheet.js';
import { Empty } from '../ui/states.js';
import { choicesFor, thingsOf } from './bulk.js';
import { filterOf, parametersOf, queryOf, sortOf } from './filter.js';
import { StudyFilters } from './filters.js';
import { keyOf, patientName, studyAddress, useColumnsFor } from './row.js';
import { SearchBox } from './search-box.js';

linkSheet(new URL('./studies.css', import.meta.url));

const TEXTS = {
  heading: 'studies.heading',
  count: 'studies.count',
  countAtLeast: 'studies.countAtLeast',
  found: 'studies.found',
  fresh: 'studies.fresh',
  noMatch: 'studies.noMatch',
};

function makeListing(query) {
  const filter = filterOf(query);
  return new Listing({ path: '/api/studies', items: 'studies', keyOf, filter, sort: sortOf(query), parameters: parametersOf });
}

export function View({ work, place }) {
  const listing = useListing(place, () => makeListing(place.query));
  const { filter, sort, facets } = listing;
  const { user } = work;
  const change = (next, order = sort) => goTo(place, queryOf(next, order));
  return html`<${ListView}
    name="studies"
    listing=${listing}
    place=${place}
    work=${work}
    texts=${TEXTS}
    columns=${useColumnsFor(user, listing)}
    titleOf=${patientName}
    keysOf=${(change) => (change.study_instance_uid ? [keyOf(change)] : [])}
    choices=${choicesFor(listing, user)}
    more=${html`<${ShareButton} things=${() => thingsOf(listing)} user=${user} small />`}
    filters=${html`<${SearchBox} narrow />
      <${StudyFilters} filter=${filter} facets=${facets} onChange=${(next) => change(next)} staff=${user.staff} />`}
    nothing=${html`<${Nothing} user=${user} />`}
    onOpen=${(study) => go(studyAddress(study))}
    onView=${(study) => go(viewerAddress(study.study_instance_uid, { collection: study.collection }))}
    onSort=${(order) => change(filter, order)}
    onReset=${() => change({})}
  />`;
}

function Nothing({ user }) {
  const may = user.permissions.includes('add_dicomfile');
  return html`<${Empty} icon="studies" text=${t(may ? 'studies.nothingYet' : 'studies.nothingShared')}>
    ${may && html`<${LinkButton} href=${pageAddress('/upload')} label=${t('nav.upload')} icon="upload" kind="primary" />`}
  <//>`;
}
