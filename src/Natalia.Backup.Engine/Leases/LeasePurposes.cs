namespace Natalia.Backup.Engine.Leases;

/// <summary>What a lease is taken for, as it stands in the claim and in the message to whoever is refused.</summary>
internal static class LeasePurposes
{
    internal const string Backup = "backup";
    internal const string Copy = "copy";
    internal const string Removal = "removal";
    internal const string Repair = "repair";
}
