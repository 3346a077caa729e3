using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Retention;

/// <summary>A point that is to be removed.</summary>
/// <param name="Point">The point.</param>
/// <param name="Reason">Why, for the audit log.</param>
public sealed record PointRemoval(RestorePoint Point, string Reason);
