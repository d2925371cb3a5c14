// Distance on the earth, for `near`: https://hl7.org/fhir/R4/location.html#search

/** Mean radius: https://en.wikipedia.org/wiki/Earth_radius#Arithmetic_mean_radius */
export const EARTH_RADIUS_M = 6_371_008.8;

/** The index keeps 7 decimals of a degree, which may move a place by 8 mm: within this it is still where it is said to be. */
export const POSITION_SLACK_M = 0.01;

const RADIANS = Math.PI / 180;

/** Great-circle distance in metres by the haversine formula; degrees in. Within 0.5 % of the ellipsoid's. */
export function distanceM(fromLatitude: number, fromLongitude: number, latitude: number, longitude: number): number {
  const halfLatitude = Math.sin(((latitude - fromLatitude) * RADIANS) / 2);
  const halfLongitude = Math.sin(((longitude - fromLongitude) * RADIANS) / 2);
  const a =
    halfLatitude * halfLatitude +
    Math.cos(fromLatitude * RADIANS) * Math.cos(latitude * RADIANS) * halfLongitude * halfLongitude;
  return 2 * EARTH_RADIUS_M * Math.asin(Math.min(1, Math.sqrt(a)));
}
