namespace Natalia.Backup.Engine.Model;

/// <summary>
/// Restore points of an appliance that its log knows as made and not as removed, and whose manifests are not there.
/// </summary>
/// <param name="ApplianceId">The appliance.</param>
/// <param name="ApplianceName">What it was called when the newest of them was made; or null.</param>
/// <param name="Count">How many, 1 or more.</param>
/// <param name="NewestMadeUtc">When the log says that the last of them was made here, UTC.</param>
public sealed record MissingPoints(string ApplianceId, string? ApplianceName, int Count, DateTime NewestMadeUtc);
