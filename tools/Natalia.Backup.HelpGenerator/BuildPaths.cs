using System.Reflection;

namespace Natalia.Backup.HelpGenerator;

/// <summary>Where the build of this configuration put what the help is made from.</summary>
public static class BuildPaths
{
    public static string Manifest { get; } = Metadata("Manifest");

    public static string Comments { get; } = Metadata("Comments");

    public static string Help { get; } = Metadata("Help");

    private static string Metadata(string key) =>
        Path.GetFullPath(typeof(BuildPaths).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .Single(a => a.Key == key).Value!);
}
