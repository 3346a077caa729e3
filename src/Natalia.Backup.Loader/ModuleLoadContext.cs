using System.Reflection;
using System.Runtime.Loader;

namespace Natalia.Backup.Loader;

/// <summary>
/// Keeps the module's assemblies apart from those of PowerShell and of other modules, so that two versions of one
/// library can live in one process.
/// </summary>
/// <remarks>
/// Only requests of assemblies inside this context come here; nothing that another module asks for is ever answered.
/// Assemblies in the module's folder are taken from there, all others are left to PowerShell's own context, where the
/// engine's types must come from. Thread-safe.
/// </remarks>
public sealed class ModuleLoadContext : AssemblyLoadContext
{
    // The engine's own types cross the border between the contexts: a second copy of them would be other types with the
    // same names.
    private static readonly string[] s_shared =
    [
        "System.Management.Automation",
        "Microsoft.Management.Infrastructure",
        "Natalia.Backup.Loader",
    ];

    private static readonly object s_gate = new();
    private static ModuleLoadContext? s_instance;

    private readonly string _folder;
    private readonly Assembly _module;

    private ModuleLoadContext(string modulePath)
        : base("Natalia.Backup", isCollectible: false)
    {
        _folder = Path.GetDirectoryName(modulePath)!;
        _module = LoadFromAssemblyPath(modulePath);
    }

    /// <summary>
    /// Loads the cmdlet assembly, once in the life of the process; later calls return the same assembly.
    /// </summary>
    /// <param name="modulePath">The full path of the cmdlet assembly. What it depends on is taken from the same
    /// folder.</param>
    /// <returns>The cmdlet assembly in its own context.</returns>
    /// <exception cref="InvalidOperationException">The module was loaded from another folder. PowerShell cannot unload
    /// a binary module.</exception>
    public static Assembly Load(string modulePath)
    {
        ArgumentException.ThrowIfNullOrEmpty(modulePath);
        var path = Path.GetFullPath(modulePath);
        lock (s_gate)
        {
            s_instance ??= new ModuleLoadContext(path);
            var loaded = s_instance._module.Location;
            if (!string.Equals(loaded, path,
                OperatingSystem.IsWindows() ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal))
                throw new InvalidOperationException(
                    $"Natalia.Backup is loaded from '{loaded}' in this process and cannot be replaced by '{path}'. "
                    + "Start a new PowerShell to use that one.");
            return s_instance._module;
        }
    }

    /// <inheritdoc/>
    protected override Assembly? Load(AssemblyName assemblyName)
    {
        if (assemblyName.Name is not { Length: > 0 } name || s_shared.Contains(name, StringComparer.OrdinalIgnoreCase))
            return null;

        var path = Path.Join(_folder, name + ".dll");
        return string.IsNullOrEmpty(assemblyName.CultureName) && File.Exists(path) ? LoadFromAssemblyPath(path) : null;
    }
}
