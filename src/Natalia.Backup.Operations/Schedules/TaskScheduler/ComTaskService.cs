using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Security;

namespace Natalia.Backup.Operations.Schedules.TaskScheduler;

/// <summary>
/// The Task Scheduler of this Windows machine, through its documented scripting interface (Schedule.Service), not its
/// CIM classes; docs/schedules.md says why.
/// </summary>
internal sealed class ComTaskService : ITaskService
{
    /// <summary>Where the tasks of this product are.</summary>
    internal const string Folder = @"\Natalia.Backup";

    private const int CreateOrUpdate = 6;
    private const int Hidden = 1;
    private const int Queued = 2;
    private const int Running = 4;
    private const int FileNotFound = unchecked((int)0x80070002);
    private const int ClassNotRegistered = unchecked((int)0x80040154);
    private const int PathNotFound = unchecked((int)0x80070003);

    /// <inheritdoc/>
    public void Register(string name, string xml, TaskAccount account, SecureString? password) => Try(root =>
    {
        object folder = Find(root) ?? Call(root, "CreateFolder", Folder, null)!;
        nint secret = password is null ? 0 : Marshal.SecureStringToBSTR(password);
        try
        {
            Call(folder, "RegisterTask", name, xml, CreateOrUpdate, account.UserId,
                secret == 0 ? null : Marshal.PtrToStringBSTR(secret), (int)account.Logon, null);
        }
        finally
        {
            if (secret != 0) Marshal.ZeroFreeBSTR(secret);
        }
    });

    /// <inheritdoc/>
    public IReadOnlyList<RegisteredTask> List()
    {
        var found = new List<RegisteredTask>();
        Try(root =>
        {
            if (Find(root) is not object folder) return;
            object tasks = Call(folder, "GetTasks", Hidden)!;
            int count = Convert.ToInt32(Get(tasks, "Count"), CultureInfo.InvariantCulture);
            for (int i = 1; i <= count; i++)
            {
                object task = Get(tasks, "Item", i)!;
                int state = Convert.ToInt32(Get(task, "State"), CultureInfo.InvariantCulture);
                found.Add(new RegisteredTask
                {
                    Name = (string)Get(task, "Name")!,
                    Xml = (string)Get(task, "Xml")!,
                    IsEnabled = (bool)Get(task, "Enabled")!,
                    IsRunning = state == Running,
                    IsQueued = state == Queued,
                    LastRunUtc = Time(Get(task, "LastRunTime")),
                    LastResult = Convert.ToInt64(Get(task, "LastTaskResult"), CultureInfo.InvariantCulture),
                    NextRunUtc = Time(Get(task, "NextRunTime")),
                });
            }
        });
        return found;
    }

    /// <inheritdoc/>
    public void Remove(string name) => Try(root =>
    {
        if (Find(root) is not object folder) return;
        try
        {
            Call(folder, "DeleteTask", name, 0);
        }
        catch (TaskServiceException e) when (e.Code is FileNotFound or PathNotFound)
        {
            // Gone already.
            _ = e;
        }
    });

    /// <inheritdoc/>
    public void Start(string name) => Try(root => Call(Task(root, name), "Run", (object?)null));

    /// <inheritdoc/>
    public void Stop(string name) => Try(root => Call(Task(root, name), "Stop", 0));

    /// <inheritdoc/>
    public string? SidOf(string account) => WindowsAccounts.SidOf(account);

    private static object Task(object root, string name) =>
        Call(Find(root) ?? throw new TaskServiceException(FileNotFound, "There is no such task."), "GetTask", name)!;

    private static object? Find(object service)
    {
        try
        {
            return Call(service, "GetFolder", Folder);
        }
        catch (TaskServiceException e) when (e.Code is FileNotFound or PathNotFound)
        {
            return null;
        }
    }

    /// <summary>Connects, and hands over the root: of the service where a folder is looked for by its path.</summary>
    private static void Try(Action<object> body)
    {
        if (!RuntimeInformation.IsOSPlatform(OSPlatform.Windows))
        {
            throw new TaskServiceException(ClassNotRegistered, "Only Windows has a Task Scheduler.");
        }
        Type type = Type.GetTypeFromProgID("Schedule.Service")
            ?? throw new TaskServiceException(ClassNotRegistered, "This Windows has no Task Scheduler.");
        object service = Activator.CreateInstance(type)!;
        try
        {
            Call(service, "Connect", null, null, null, null);
            body(new Root(service));
        }
        catch (COMException e)
        {
            throw new TaskServiceException(e.ErrorCode, e.Message, e);
        }
        finally
        {
            Marshal.FinalReleaseComObject(service);
        }
    }

    /// <summary>The service, which finds folders, and its root folder, which makes them.</summary>
    private sealed record Root(object Service);

    private static object? Call(object target, string method, params object?[] arguments)
    {
        if (target is Root root)
            return method == "GetFolder"
                ? Invoke(root.Service, method, BindingFlags.InvokeMethod, arguments)
                : Invoke(Invoke(root.Service, "GetFolder", BindingFlags.InvokeMethod, [@"\"])!, method,
                    BindingFlags.InvokeMethod, arguments);
        return Invoke(target, method, BindingFlags.InvokeMethod, arguments);
    }

    private static object? Get(object target, string property, params object?[] arguments) =>
        Invoke(target, property, BindingFlags.GetProperty, arguments);

    private static object? Invoke(object target, string member, BindingFlags how, object?[] arguments)
    {
        try
        {
            return target.GetType().InvokeMember(member, how, null, target, arguments, CultureInfo.InvariantCulture);
        }
        catch (TargetInvocationException e) when (e.InnerException is Exception inner)
        {
            throw new TaskServiceException(inner.HResult, inner.Message, inner);
        }
    }

    /// <summary>Local time; a task that never ran shows 1899-12-30 or 1999-11-30.</summary>
    private static DateTime? Time(object? value) => value is DateTime { Year: > 2000 } local
        ? DateTime.SpecifyKind(local, DateTimeKind.Local).ToUniversalTime()
        : null;
}
