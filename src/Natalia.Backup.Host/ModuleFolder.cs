namespace Natalia.Backup.Host;

internal static class ModuleFolder
{
    /// <summary>The module lies inside the runner's folder in a package, and beside it in a build.</summary>
    public static string Parent { get; } =
        new[] { ".", ".." }
            .Select(p => Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, p)))
            .FirstOrDefault(p => File.Exists(ManifestIn(p)))
        ?? AppContext.BaseDirectory;

    public static string Manifest { get; } = ManifestIn(Parent);

    private static string ManifestIn(string parent) => Path.Combine(parent, "Natalia.Backup", "Natalia.Backup.psd1");
}
