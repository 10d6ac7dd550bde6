/** What people ask about images of the store. */
import { type HistoryLine, imageHistory } from '../image/image-history.js';
import { shortName } from '../image/look-up.js';
import { storedImage } from './image-source.js';
import type { Session } from './session.js';

/** How an image came about. */
export async function history(
  session: Session,
  name: string,
): Promise<{
  readonly id: string;
  readonly names: readonly string[];
  readonly lines: readonly HistoryLine[];
}> {
  const stores = await session.stores();
  const image = storedImage(stores, name);
  return { id: image.id, names: image.references.map(shortName), lines: imageHistory(image, stores) };
}
