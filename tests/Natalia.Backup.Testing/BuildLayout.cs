using System.Reflection;

namespace Natalia.Backup.Testing;

/// <summary>
/// Where the build put what is tested; elsewhere, NATALIA_TEST_OUTPUT and NATALIA_TEST_SOURCES say where it is.
/// </summary>
public static class BuildLayout
{
    public static string OutputRoot { get; } = Path.GetFullPath(Named("NATALIA_TEST_OUTPUT") ?? Metadata("OutputRoot"));

    public static string RepositoryRoot { get; } =
        Path.GetFullPath(Named("NATALIA_TEST_SOURCES") ?? Metadata("RepositoryRoot"));

    public static string ModuleRoot { get; } = Path.Combine(OutputRoot, "Natalia.Backup");

    public static string Manifest { get; } = Path.Combine(ModuleRoot, "Natalia.Backup.psd1");

    public static string Runner { get; } = Path.Combine(OutputRoot, "natalia",
        OperatingSystem.IsWindows() ? "natalia.exe" : "natalia");

    /// <summary>
    /// PowerShell of the package that the build takes a module from; this is its place on every system but Windows.
    /// </summary>
    public static string Pwsh => Metadata("Pwsh");

    private static string? Named(string variable) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } path ? path : null;

    private static string Metadata(string key) =>
        typeof(BuildLayout).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == key).Value!;
}
