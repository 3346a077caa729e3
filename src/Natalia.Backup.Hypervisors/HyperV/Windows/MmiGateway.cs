using System.Globalization;
using System.Runtime.CompilerServices;
using Microsoft.Management.Infrastructure;
using Microsoft.Management.Infrastructure.Options;
using Natalia.Backup.Hypervisors.HyperV.Cim;

namespace Natalia.Backup.Hypervisors.HyperV.Windows;

/// <summary>
/// The gateway over Windows' own CIM client (Microsoft.Management.Infrastructure), which PowerShell brings along. It
/// runs on Windows only; nothing but <see cref="Open"/> touches it, so that everything loads elsewhere.
/// </summary>
internal sealed class MmiGateway : ICimGateway
{
    private static readonly TimeSpan s_callLimit = TimeSpan.FromMinutes(2);

    private readonly CimSession _session;

    private MmiGateway(CimSession session) => _session = session;

    /// <summary>A session with a host; it connects with its first call.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static ICimGateway Open(HyperVConnectOptions how)
    {
        try
        {
            return new MmiGateway(how.Transport switch
            {
                HyperVTransport.Local => CimSession.Create(null),
                HyperVTransport.Dcom => CimSession.Create(how.Host, WithCredential(new DComSessionOptions
                {
                    PacketPrivacy = true,
                    PacketIntegrity = true,
                    Impersonation = ImpersonationType.Impersonate,
                }, how)),
                _ => CimSession.Create(how.Host, WithCredential(WSMan(how), how)),
            });
        }
        catch (CimException e)
        {
            throw FaultOf(e);
        }
    }

    public Task<CimRow?> GetAsync(CimPath path, CancellationToken cancellationToken) => TryAsync(options =>
    {
        try
        {
            using CimInstance key = KeyOf(path);
            using CimInstance found = _session.GetInstance(path.Namespace, key, options);
            return RowOf(found);
        }
        catch (CimException e) when (e.NativeErrorCode == NativeErrorCode.NotFound)
        {
            return null;
        }
    }, cancellationToken);

    public Task<IReadOnlyList<CimRow>> QueryAsync(string @namespace, string wql, CancellationToken cancellationToken) =>
        TryAsync(options => Rows(_session.QueryInstances(@namespace, "WQL", wql, options)), cancellationToken);

    public Task<IReadOnlyList<CimRow>> AssociatorsAsync(CimPath from, string? association, string? resultClass,
        CancellationToken cancellationToken) => TryAsync(options =>
    {
        using CimInstance key = KeyOf(from);
        return Rows(_session.EnumerateAssociatedInstances(from.Namespace, key, association, resultClass, null, null,
            options));
    }, cancellationToken);

    public Task<CimAnswer> InvokeAsync(CimPath target, string method, CimArguments arguments,
        CancellationToken cancellationToken) => TryAsync(options =>
    {
        using var parameters = new CimMethodParametersCollection();
        foreach (CimArgument argument in arguments)
            parameters.Add(CimMethodParameter.Create(argument.Name, Native(argument.Value),
                MmiMaps.TypeOf(argument.Kind, argument.IsArray),
                argument.Value is null ? CimFlags.In | CimFlags.NullValue : CimFlags.In));
        using CimInstance? key = target.Keys.Count == 0 ? null : KeyOf(target);
        using CimMethodResult result = key is null
            ? _session.InvokeMethod(target.Namespace, target.ClassName, method, parameters, options)
            : _session.InvokeMethod(target.Namespace, key, method, parameters, options);
        var outputs = new Dictionary<string, object?>(StringComparer.OrdinalIgnoreCase);
        foreach (CimMethodParameter output in result.OutParameters)
            outputs[output.Name] = ValueOf(output.Value, output.CimType);
        return new CimAnswer(Convert.ToInt64(result.ReturnValue.Value, CultureInfo.InvariantCulture),
            new CimRow("", null, outputs));
    }, cancellationToken);

    public void Dispose() => _session.Dispose();

    private static WSManSessionOptions WSMan(HyperVConnectOptions how)
    {
        var options = new WSManSessionOptions { UseSsl = how.UseSsl };
        if (how.Port is int port) options.DestinationPort = (uint)port;
        return options;
    }

    private static CimSessionOptions WithCredential(CimSessionOptions options, HyperVConnectOptions how)
    {
        options.Timeout = s_callLimit;
        if (how.User is not string user) return options;
        int slash = user.IndexOf('\\');
        options.AddDestinationCredentials(new CimCredential(PasswordAuthenticationMechanism.Default,
            slash < 0 ? null : user.Substring(0, slash), slash < 0 ? user : user.Substring(slash + 1), how.Password));
        return options;
    }

    private static Task<T> TryAsync<T>(Func<CimOperationOptions, T> call, CancellationToken cancellationToken) =>
        Task.Run(() =>
        {
            using var options = new CimOperationOptions
            {
                CancellationToken = cancellationToken,
                Timeout = s_callLimit,
            };
            try
            {
                return call(options);
            }
            catch (CimException e)
            {
                cancellationToken.ThrowIfCancellationRequested();
                throw FaultOf(e);
            }
        }, cancellationToken);

    private static CimFaultException FaultOf(CimException e) =>
        new(MmiMaps.FaultOf(e.NativeErrorCode, e.MessageId), e.Message, e);

    private static IReadOnlyList<CimRow> Rows(IEnumerable<CimInstance> instances)
    {
        var rows = new List<CimRow>();
        foreach (CimInstance instance in instances)
        {
            using (instance) rows.Add(RowOf(instance));
        }
        return rows;
    }

    private static CimRow RowOf(CimInstance instance)
    {
        var values = new Dictionary<string, object?>(StringComparer.OrdinalIgnoreCase);
        foreach (CimProperty property in instance.CimInstanceProperties)
            values[property.Name] = ValueOf(property.Value, property.CimType);
        return new CimRow(instance.CimSystemProperties.ClassName, PathOf(instance), values);
    }

    private static CimPath PathOf(CimInstance instance)
    {
        var keys = new List<KeyValuePair<string, object>>();
        foreach (CimProperty property in instance.CimInstanceProperties)
        {
            if ((property.Flags & CimFlags.Key) != 0 && property.Value is not null)
                keys.Add(new KeyValuePair<string, object>(property.Name, property.Value));
        }
        return new CimPath(instance.CimSystemProperties.Namespace ?? "",
            instance.CimSystemProperties.ClassName, keys, instance.CimSystemProperties.ServerName);
    }

    private static CimInstance KeyOf(CimPath path)
    {
        var key = new CimInstance(path.ClassName, path.Namespace);
        foreach (KeyValuePair<string, object> part in path.Keys)
            key.CimInstanceProperties.Add(CimProperty.Create(part.Key, part.Value,
                part.Value is string ? CimType.String : CimConverter.GetCimType(part.Value.GetType()), CimFlags.Key));
        return key;
    }

    private static object? Native(object? value) => value switch
    {
        CimPath path => KeyOf(path),
        CimPath[] paths => paths.Select(KeyOf).ToArray(),
        _ => value,
    };

    private static object? ValueOf(object? value, CimType type) => value switch
    {
        null => null,
        CimInstance instance => type == CimType.Reference ? PathOf(instance) : RowOf(instance),
        CimInstance[] instances => type == CimType.ReferenceArray
            ? instances.Select(PathOf).ToArray()
            : instances.Select(RowOf).ToArray(),
        DateTime time => time.ToUniversalTime(),
        DateTime[] times => times.Select(t => t.ToUniversalTime()).ToArray(),
        _ => value,
    };
}
