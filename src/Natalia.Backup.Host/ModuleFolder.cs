namespace Natalia.Backup.Host;

internal static class ModuleFolder
{
    /// <summary>The module lies inside the runner's folder in a package, and beside it in a build.</summary>
    public static string Manifest { get; } =
        new[] { ".", ".." }
            .Select(p => Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, p, "Natalia.Backup", "Natalia.Backup.psd1")))
            .FirstOrDefault(File.Exists)
        ?? Path.Combine(AppContext.BaseDirectory, "Natalia.Backup", "Natalia.Backup.psd1");
}
