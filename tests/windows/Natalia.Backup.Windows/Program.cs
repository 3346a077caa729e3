using System.Reflection;
using System.Text;
using Natalia.Backup.Testing;
using Xunit.Abstractions;

namespace Natalia.Backup.Windows;

/// <summary>
/// <c>natalia-windows FILE ASSEMBLY [CLASS…]</c> runs the tests of an assembly that lies beside this program, or those
/// of some classes, and writes what comes of them into a file: a console adds commands of its own to what goes through
/// it.
/// </summary>
internal static class Program
{
    private static int Main(string[] arguments)
    {
        if (arguments.Length < 2) throw new ArgumentException("FILE ASSEMBLY [CLASS…]");
        using var file = new StreamWriter(arguments[0], append: false, new UTF8Encoding(false))
        {
            AutoFlush = true,
            NewLine = "\n",
        };
        try
        {
            return Test(arguments[1], arguments[2..], file.WriteLine);
        }
        catch (Exception e)
        {
            file.WriteLine(e);
            throw;
        }
    }

    private static int Test(string assembly, string[] classes, Action<string> write)
    {
        write($"# {Environment.OSVersion}, .NET {Environment.Version}, {TimeZoneInfo.Local.Id}");
        var run = new TestRun(write, LeaveOut) { IsVerbose = true };
        return run.Execute(Assembly.Load(assembly), classes) ? 0 : 1;
    }

    /// <summary>The mark of the test, or of a class or base class that it belongs to.</summary>
    private static string? LeaveOut(ITestMethod test)
    {
        string name = typeof(WineCannotTellAttribute).AssemblyQualifiedName!;
        IAttributeInfo? mark = test.Method.GetCustomAttributes(name).FirstOrDefault()
            ?? test.TestClass.Class.GetCustomAttributes(name).FirstOrDefault();
        return mark?.GetConstructorArguments().Single() as string;
    }
}
