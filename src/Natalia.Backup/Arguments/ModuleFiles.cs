namespace Natalia.Backup.Arguments;

/// <summary>Files that lie in the module's folder.</summary>
internal static class ModuleFiles
{
    /// <summary>The script that runs of schedules start, a full path. The assembly lies two folders below.</summary>
    internal static string ScheduledRun => Path.GetFullPath(Path.Combine(
        Path.GetDirectoryName(typeof(ModuleFiles).Assembly.Location)!, "..", "..",
        "Natalia.Backup.ScheduledRun.ps1"));
}
