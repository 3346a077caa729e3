namespace Natalia.Backup.Host;

internal static class ModuleFolder
{
    /// <summary>The module lies in the runner's folder Modules in a package, and beside it in a build.</summary>
    public static string Parent { get; } =
        new[] { "Modules", ".." }
            .Select(p => Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, p)))
            .FirstOrDefault(p => File.Exists(ManifestIn(p)))
        ?? Path.Combine(AppContext.BaseDirectory, "Modules");

    public static string Manifest { get; } = ManifestIn(Parent);

    private static string ManifestIn(string parent) => Path.Combine(parent, "Natalia.Backup", "Natalia.Backup.psd1");
}
