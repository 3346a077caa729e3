#if !NET8_0_OR_GREATER
using System.ComponentModel;
using System.Management.Automation;
using System.Reflection;

namespace Natalia.Backup;

/// <summary>
/// On Windows PowerShell, which has no load contexts: finds the module's own libraries for the module's own assemblies,
/// where their versions do not match to the digit.
/// </summary>
/// <remarks>
/// It answers only requests that come from an assembly in the module's folder, or, where the requester is unknown,
/// requests for exactly the identity that lies there. Whatever another module asks for is left alone. It is registered
/// while the module is imported in at least one runspace. Thread-safe.
/// </remarks>
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed class DesktopAssemblyResolver : IModuleAssemblyInitializer, IModuleAssemblyCleanup
{
    private static readonly object s_gate = new();
    private static readonly string s_folder = Path.GetDirectoryName(typeof(DesktopAssemblyResolver).Assembly.Location)!;
    private static int s_imports;

    /// <summary>PowerShell calls it at import.</summary>
    public void OnImport()
    {
        lock (s_gate)
        {
            if (s_imports++ == 0)
                AppDomain.CurrentDomain.AssemblyResolve += Resolve;
        }
    }

    /// <summary>PowerShell calls it when the module is removed from a runspace.</summary>
    /// <param name="psModuleInfo">The module that goes.</param>
    public void OnRemove(PSModuleInfo psModuleInfo)
    {
        lock (s_gate)
        {
            if (s_imports > 0 && --s_imports == 0)
                AppDomain.CurrentDomain.AssemblyResolve -= Resolve;
        }
    }

    private static Assembly? Resolve(object? sender, ResolveEventArgs request)
    {
        var wanted = new AssemblyName(request.Name);
        Assembly? requester = request.RequestingAssembly;
        if (!string.IsNullOrEmpty(wanted.CultureName) || (requester is not null && !IsOwn(requester)))
            return null;

        var path = Path.Combine(s_folder, wanted.Name + ".dll");
        if (!File.Exists(path))
            return null;

        var found = AssemblyName.GetAssemblyName(path);
        var fits = requester is null
            ? found.FullName == wanted.FullName
            : SameKey(found, wanted) && found.Version >= wanted.Version;
        return fits ? Assembly.LoadFrom(path) : null;
    }

    private static bool IsOwn(Assembly assembly) =>
        !assembly.IsDynamic
        && string.Equals(Path.GetDirectoryName(assembly.Location), s_folder, StringComparison.OrdinalIgnoreCase);

    private static bool SameKey(AssemblyName left, AssemblyName right) =>
        (left.GetPublicKeyToken() ?? []).SequenceEqual(right.GetPublicKeyToken() ?? []);
}
#endif
