namespace Natalia.Backup.Operations.RestoreTests;

/// <summary>The names of a test's own checks: stable, for scripts.</summary>
internal static class RestoreTestChecks
{
    internal const string Restore = "Restore";
    internal const string Isolation = "Isolation";
    internal const string Boot = "Boot";
    internal const string Integrity = "Integrity";
    internal const string AuditLog = "AuditLog";
    internal const string CdrCount = "CdrCount";
    internal const string Destroyed = "Destroyed";

    internal static readonly IReadOnlyList<string> All =
        [Restore, Isolation, Boot, Integrity, AuditLog, CdrCount, Destroyed];
}
