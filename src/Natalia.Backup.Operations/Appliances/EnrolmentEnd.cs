using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Operations.Appliances;

/// <summary>What the end of an enrolment says of points.</summary>
internal static class EnrolmentEnd
{
    /// <summary>
    /// Whether a point is newer than the end, a copy for instance: it tells of an appliance that went on somewhere
    /// else. One of the future does not; a wrong clock made it.
    /// </summary>
    /// <param name="point">The point.</param>
    /// <param name="endedUtc">When the enrolment ended, UTC.</param>
    internal static bool IsOutlivedBy(RestorePoint point, DateTime endedUtc) =>
        point.TimeUtc > endedUtc && !point.IsInFuture;
}
