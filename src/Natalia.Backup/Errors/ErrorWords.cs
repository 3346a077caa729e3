using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Errors;

/// <summary>
/// Adds to an error what only the session knows: of which appliance or repository it speaks when several are worked on,
/// what something is called of which only the id was given, and whose a parameter is.
/// </summary>
internal static class ErrorWords
{
    /// <summary>The error as the user is told it.</summary>
    /// <param name="error">What happened.</param>
    /// <param name="target">The object that it happened to, or null.</param>
    /// <param name="command">The class of the command.</param>
    /// <param name="registry">The connections; null where there are none yet.</param>
    internal static NataliaException Complete(NataliaException error, object? target, Type command,
        SessionRegistry? registry)
    {
        NataliaException told = registry is null ? error : Named(error, registry);
        string message = told.Message;
        if (SubjectOf(target) is { Length: > 0 } subject
            && message.IndexOf(DisplayText.Clean(subject), StringComparison.OrdinalIgnoreCase) < 0)
            message = $"{subject}: {message}";
        message = ParameterWords.Complete(message, command);
        string? advice = told.RecommendedAction is string action ? ParameterWords.Complete(action, command) : null;
        return message == error.Message && advice == error.RecommendedAction
            ? error
            : new NataliaException(told.ErrorId, told.Kind, message, told.Target, advice, error.InnerException);
    }

    /// <summary>What a person calls the object.</summary>
    private static string? SubjectOf(object? target) => target switch
    {
        Appliance appliance => appliance.Name,
        RestorePoint point => point.ApplianceName,
        _ => null,
    };

    private static NataliaException Named(NataliaException error, SessionRegistry registry)
    {
        if (error.Target is not string id || !ApplianceIdentity.IsValid(id)) return error;
        if (error.ErrorId == ErrorIds.ApplianceNotFound && registry.Completion.NameOf(id) is string appliance
            && !error.Message.Contains(appliance))
            return new NataliaException(error.ErrorId, error.Kind,
                error.Message.Replace($"'{id}'", $"'{appliance}' ({id})"), id, error.RecommendedAction,
                error.InnerException);
        if (error.ErrorId != ErrorIds.RepositoryNotConnected) return error;
        string? repository = registry.Completion.RepositoryNameOf(id);
        List<string> copies = [.. registry.Completion.RestorePoints.Where(p => p.OriginalRepositoryId == id)
            .Select(p => p.Repository).Distinct()
            .Where(r => registry.Repositories.Find(r) is not null)];
        if (repository is null && copies.Count == 0) return error;
        string what = repository is null
            ? $"The repository {id} is not connected in this session."
            : $"The repository '{repository}' ({id}) is not connected in this session.";
        return new NataliaException(error.ErrorId, error.Kind,
            copies.Count == 0
                ? what
                : $"{what} Copies of its points lie in {string.Join(", ", copies.Select(c => $"'{c}'"))}.",
            id,
            copies.Count == 0
                ? error.RecommendedAction
                : $"{error.RecommendedAction} Or use the copies: Get-NataliaRestorePoint -Repository {copies[0]}.",
            error.InnerException);
    }
}
