using System.Net;
using System.Security;
using Natalia.Backup.Operations.Schedules.TaskScheduler;

namespace Natalia.Backup.Cmdlets.Tests.Schedules;

/// <summary>Stands in for Windows' Task Scheduler: it keeps what it is given. A model of ours, not Windows.</summary>
internal sealed class TaskServiceStandIn : ITaskService
{
    private (int Call, int Code)? _refusal;
    private int _calls;

    internal Dictionary<string, RegisteredTask> Tasks { get; } = [];
    internal List<string?> Passwords { get; } = [];
    internal List<string> Stopped { get; } = [];
    /// <summary>Ids by account; accounts that are not there are not known now.</summary>
    internal Dictionary<string, string> Sids { get; } = new(StringComparer.OrdinalIgnoreCase);
    internal Action OnRegister { get; set; } = () => { };
    internal Action<string, string> OnStart { get; set; } = (_, _) => { };

    internal void Refuse(int call, int code) => (_refusal, _calls) = ((call, code), 0);

    internal void Set(string name, Func<RegisteredTask, RegisteredTask> change) => Tasks[name] = change(Tasks[name]);

    public void Register(string name, string xml, TaskAccount account, SecureString? password)
    {
        if (_refusal is var (call, code) && _calls++ == call) throw new TaskServiceException(code, "refused");
        Passwords.Add(password is null ? null : new NetworkCredential("", password).Password);
        Tasks[name] = new RegisteredTask
        {
            Name = name,
            Xml = xml,
            IsEnabled = !xml.Contains("<Enabled>false</Enabled>"),
            LastResult = 0x41303,
        };
        OnRegister();
    }

    public IReadOnlyList<RegisteredTask> List() => [.. Tasks.Values];

    public void Remove(string name) => Tasks.Remove(name);

    public void Start(string name) => OnStart(name, Tasks[name].Xml);

    public string? SidOf(string account) => account.StartsWith("S-1-", StringComparison.Ordinal)
        ? account
        : Sids.TryGetValue(account, out string? sid) ? sid : null;

    public void Stop(string name)
    {
        Stopped.Add(name);
        Set(name, t => t with { IsRunning = false });
    }
}
