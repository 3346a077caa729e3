using System.Reflection;
using System.Runtime.Loader;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests;

/// <summary>
/// The resolver of the netstandard2.0 build, driven as Windows PowerShell would. That PowerShell itself cannot run
/// here: what it does with the answers is not shown.
/// </summary>
public sealed class DesktopResolverTests
{
    private static readonly string s_folder = Path.Combine(BuildLayout.ModuleRoot, "bin", "netstandard2.0");
    private static readonly Assembly s_module =
        new AssemblyLoadContext("desktop build").LoadFromAssemblyPath(Path.Combine(s_folder, "Natalia.Backup.dll"));

    [Fact]
    public void It_answers_the_module_for_a_library_of_a_lower_version()
    {
        var wanted = AssemblyName.GetAssemblyName(Path.Combine(s_folder, "ZstdSharp.dll"));
        wanted.Version = new Version(0, 0, 0, 0);

        Assert.Equal(Path.Combine(s_folder, "ZstdSharp.dll"), Resolve(wanted.FullName, s_module)?.Location);
    }

    [Fact]
    public void It_does_not_answer_other_modules()
    {
        var wanted = AssemblyName.GetAssemblyName(Path.Combine(s_folder, "ZstdSharp.dll"));

        Assert.Null(Resolve(wanted.FullName, typeof(DesktopResolverTests).Assembly));
    }

    [Theory]
    [InlineData("99.0.0.0", null)]
    [InlineData(null, "b77a5c561934e089")]
    public void It_does_not_hand_out_an_older_version_or_another_key(string? version, string? token)
    {
        var wanted = AssemblyName.GetAssemblyName(Path.Combine(s_folder, "ZstdSharp.dll"));
        if (version is not null)
            wanted.Version = new Version(version);
        if (token is not null)
            wanted.SetPublicKeyToken(Convert.FromHexString(token));

        Assert.Null(Resolve(wanted.FullName, s_module));
    }

    [Fact]
    public void An_unknown_requester_gets_only_the_exact_identity()
    {
        var wanted = AssemblyName.GetAssemblyName(Path.Combine(s_folder, "ZstdSharp.dll"));
        Assert.NotNull(Resolve(wanted.FullName, requester: null));

        wanted.Version = new Version(0, 0, 0, 0);
        Assert.Null(Resolve(wanted.FullName, requester: null));
    }

    [Fact]
    public void What_is_not_in_the_folder_is_left_alone() =>
        Assert.Null(Resolve("Newtonsoft.Json, Version=13.0.0.0, Culture=neutral, PublicKeyToken=30ad4fe6b2a6aeed",
            s_module));

    private static Assembly? Resolve(string fullName, Assembly? requester) =>
        (Assembly?)s_module.GetType("Natalia.Backup.DesktopAssemblyResolver", throwOnError: true)!
            .GetMethod("Resolve", BindingFlags.Static | BindingFlags.NonPublic)!
            .Invoke(null, [null, new ResolveEventArgs(fullName, requester)]);
}
